# SPDX-License-Identifier: EUPL-1.2
"""A small fictitious park for the kiosk's tests, laid into a state folder as the synchroniser would."""

import hashlib
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from edge_core import settings
from edge_core.store import database
from sync.downlink import content_db

SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 400 300"><style>rect{fill:#dfe9f3;stroke:#345}</style>'
    '<rect x="20" y="20" width="160" height="120"/><rect x="220" y="20" width="160" height="120"/></svg>'
)
DIGEST = hashlib.sha256(SVG.encode()).hexdigest()


def words(fr, en="", es="", oc=""):
    """Make a text of the content."""
    return {code: text for code, text in (("fr", fr), ("en", en), ("es", es), ("oc", oc)) if text}


def moment(now, days=0, hours=0):
    """Write a moment as the content does."""
    there = datetime.fromtimestamp(now, ZoneInfo("Europe/Paris")) + timedelta(days=days, hours=hours)
    return there.isoformat(timespec="minutes")


def utc(now, hours):
    """Write the full hour so many hours from now as a forecast does."""
    return datetime.fromtimestamp(now // 3600 * 3600 + hours * 3600, UTC).strftime("%Y-%m-%dT%H:%MZ")


def departures(now):
    """Make departures of one line, every ten minutes all day, every day."""
    del now
    times = [f"{hour:02}:{minute:02}" for hour in range(24) for minute in range(0, 60, 10)]
    return [{"line": "T2", "headsign": "Gare Fictive", "time": time, "days": [1, 2, 3, 4, 5, 6, 7]} for time in times]


def content(now):
    """Return the whole content, with events and news around `now`."""
    return {
        "park": [
            {
                "id": "park",
                "name": "Parc Exemple",
                "tagline": words(
                    "Le parc où l'on se croise", "The park where paths cross", "", "Lo parc on la gent e's crotza"
                ),
                "address": "1, parvis de l'Exemple",
                "phone": "+33 5 36 49 00 00",
                "email": "accueil@parc.example",
                "opening": words("Du lundi au vendredi, de 8 h à 18 h 30", "Monday to Friday, 8 am to 6.30 pm"),
                "colours": {"accent": "#0b6e63", "accent_dark": "#6fd6c6"},
            }
        ],
        "companies": [
            {
                "id": "exemple-ardoise",
                "name": "Exemple Ardoise SARL",
                "acronym": "E.A.",
                "former_names": ["Tuiles Fictives"],
                "activity": words("Logiciels pour les couvreurs", "Software for roofers"),
                "tags": ["logiciel", "bâtiment"],
                "building": "Bâtiment A",
                "floor": "rez",
                "room": "bureau-1",
                "phone": "+33 5 36 49 00 10",
                "web": "https://ardoise.example",
                "email": "bonjour@ardoise.example",
            },
            {
                "id": "oeuvre",
                "name": "Œuvre Fictive",
                "activity": words("Édition d'art", "Art publishing"),
                "arrival": {
                    "badge": True,
                    "notice": words("Ne touchez pas aux presses.", "Don't touch the presses."),
                    "agreement": words("Ce que je vois ici reste ici.", "What I see here stays here."),
                },
            },
            *(
                {"id": f"societe-{n}", "name": f"Société Fictive {n:02}", "activity": words("Conseil", "Consulting")}
                for n in range(1, 45)
            ),
        ],
        "hosts": [
            {
                "id": "ardoise-atelier",
                "company": "exemple-ardoise",
                "role": words("Atelier", "Workshop", "Taller", "Talhèr"),
            },
            {"id": "autre-service", "company": "societe-1", "role": words("Service")},
        ],
        "events": [
            {
                "id": "cafe",
                "title": words("Café des voisins", "Neighbours' coffee", "Café de vecinos", "Cafè deus vesins"),
                "summary": words("Un quart d'heure pour faire connaissance."),
                "body": words('<p>Venez ! <a href="https://cafe.example/x">Le site</a></p><script>alert(1)</script>'),
                "start": moment(now, hours=-0.2),
                "end": moment(now, hours=1),
                "place": "Café Exemple",
            },
            {
                "id": "atelier",
                "title": words("Atelier vélo", "Bicycle workshop"),
                "start": moment(now, days=2),
                "end": moment(now, days=2, hours=2),
            },
        ],
        "news": [
            {
                "id": "wifi",
                "title": words("Le WiFi arrive sur le mail", "WiFi comes to the walk"),
                "summary": words("Six nouvelles bornes, du parking au jardin.", "Six new access points."),
                "body": words("<p>Six bornes.</p>"),
                "published": moment(now, days=-1),
                "source": "https://parc.example/wifi",
            }
        ],
        "weather": [
            {
                "id": "forecast",
                "updated": utc(now, -2),
                "credit": "Météo fictive",
                "hours": [
                    {"at": utc(now, hours), "temperature": 7.6 + hours, "sky": sky, "night": False}
                    for hours, sky in ((-1, "rain"), (0, "partly"), (1, "clear"))
                ],
            }
        ],
        "services": [
            {
                "id": "salle-galet",
                "name": words("Salle Galet, 8 places", "Galet room, seats 8"),
                "description": words("Écran et tableau blanc.", "Screen and whiteboard."),
                "kind": "room",
                "provider": "park",
                "price": words("12 € l'heure", "€12 an hour"),
                "fields": ["date", "time", "people", "comment"],
                "capacity": 8,
                "payment": "reception",
            },
            {
                "id": "message",
                "name": words("Laisser un message", "Leave a message"),
                "description": words("À l'accueil.", "To the reception."),
                "kind": "message",
                "provider": "exemple-ardoise",
                "fields": ["message", "email"],
            },
        ],
        "plans": [
            {
                "id": "rez",
                "name": words("Rez-de-chaussée", "Ground floor"),
                "level": 0,
                "svg": DIGEST,
                "places": [
                    {"id": "accueil", "name": words("Accueil", "Reception"), "x": 200, "y": 250},
                    {"id": "bureau-1", "name": words("Bureau 1", "Office 1"), "x": 100, "y": 80},
                    {"id": "borne", "name": words("Borne d'accueil", "Reception kiosk"), "x": 220, "y": 240},
                ],
                "ways": {"nodes": [], "edges": [{"from": "borne", "to": "bureau-1"}]},
            },
            {"id": "etage", "name": words("Premier étage", "First floor"), "level": 1, "svg": "0" * 64, "places": []},
        ],
        "stops": [
            {"id": "parvis", "name": "Parvis Exemple", "lat": 43.3, "lon": -0.3, "departures": departures(now)},
            {"id": "loin", "name": "Arrêt Vide", "lat": 43.3, "lon": -0.3, "departures": []},
        ],
        "pages": [
            {
                "id": "about",
                "title": words("À propos", "About"),
                "summary": words("Le parc"),
                "body": words("<p>Ici.</p>"),
            },
            {
                "id": "contacts",
                "title": words("Contacts"),
                "body": words('<p><a href="tel:+33536490000">Appeler</a></p>'),
            },
        ],
    }


def lay(state_dir, now, records=None):
    """Lay content and an empty edge.db into `state_dir`; `records` replaces the content, {} is none at all."""
    state_dir.mkdir(parents=True, exist_ok=True)
    source = state_dir / "parvis.toml"
    source.write_text(
        f'[site]\nid = "exemple"\nname = "Parc Exemple"\n[device]\nid = "kiosk-1"\nstate_dir = "{state_dir}"\n',
        encoding="utf-8",
    )
    loaded = settings.load(source, {})
    database.migrate(loaded)
    if records != {}:
        content_db.load(loaded.content_db, records or content(now), 1, now)
        loaded.blobs_dir.mkdir(exist_ok=True)
        (loaded.blobs_dir / DIGEST).write_text(SVG, encoding="utf-8")
    return loaded
