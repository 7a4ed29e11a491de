# SPDX-License-Identifier: EUPL-1.2
"""`parvis-conformance`: reads its options, runs the checks one by one, prints. Exits 0 kept, 1 broken, 2 can't run."""

from __future__ import annotations

import re
import secrets
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from contracts.conformance import registry, requirements, table
from contracts.conformance.checks import (  # noqa: F401 - they register themselves
    device_around,
    device_events,
    device_leases,
    device_settings,
    platform_acks,
    platform_around,
    platform_events,
    platform_leases,
    platform_replies,
)
from contracts.conformance.device import PlatformSubject
from contracts.conformance.hooks import NAMES, Hooks
from contracts.conformance.inspection import Inspection
from contracts.conformance.link import Access, LinkError
from contracts.conformance.platform import DeviceSubject
from contracts.conformance.relay import Relay
from contracts.conformance.schemas import Schemas

if TYPE_CHECKING:
    from collections.abc import Sequence

    from contracts.conformance.requirements import Requirement
    from contracts.conformance.verdict import Finding

_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def _hooks(_context: click.Context, _parameter: click.Parameter, values: Sequence[str]) -> dict[str, str]:
    commands = {}
    for value in values:
        name, equals, command = value.partition("=")
        if name not in NAMES or not equals or not command:
            raise click.BadParameter(f"{value!r}: expected NAME=COMMAND with NAME one of {', '.join(NAMES)}")
        commands[name] = command
    return commands


def _word(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    if value is not None and not _WORD.fullmatch(value):
        raise click.BadParameter(f"{value!r}: expected letters, digits, dots, hyphens, underscores, at most 63")
    return value


@click.command(epilog="Hooks: " + "; ".join(f"{name}: {what}" for name, what in NAMES.items()))
@click.option(
    "--broker", "url", required=True, help="mqtt://HOST:PORT or mqtts://HOST:PORT, the broker of what is tested."
)
@click.option("--repository", help="URL of the signed content repository that the platform serves.")
@click.option("--site", default="conformance", callback=_word, help="The site to speak as, or of the device.")
@click.option("--device", callback=_word, help="The device to speak as (any), or with --as-platform the one to test.")
@click.option(
    "--as-platform", is_flag=True, help="Act as the platform and test a device. Let no other platform be there."
)
@click.option("--inspect", help="URL of the platform's page, to look behind what MQTT shows.")
@click.option("--relay", type=int, help="Port to listen on: a device that connects through it can be cut off.")
@click.option(
    "--hook",
    "commands",
    multiple=True,
    callback=_hooks,
    metavar="NAME=COMMAND",
    help="A command for what the kit can't do.",
)
@click.option("--ca", type=_FILE, help="The broker's authority, for mqtts.")
@click.option("--certificate", type=_FILE, help="The certificate of the device to speak as.")
@click.option("--key", type=_FILE, help="Its key.")
@click.option("--only", multiple=True, metavar="R-NNN", help="Run these requirements alone.")
@click.option(
    "--patience", type=click.FloatRange(1, 600), default=10.0, show_default=True, help="Seconds to wait for an answer."
)
@click.option("--json", "as_json", is_flag=True, help="JSON instead of a table.")
def main(**options: Any) -> None:
    """Run the contract's numbered requirements against a platform, or with --as-platform against a device."""
    side = "device" if options["as_platform"] else "platform"
    console = Console(stderr=True)
    chosen = _choose(side, options["only"])
    try:
        with ExitStack() as stack:
            subject = (_device if options["as_platform"] else _platform)(options, stack)
            findings = [_run(side, requirement, subject, console) for requirement in chosen]
            findings.sort(key=lambda finding: finding.requirement.id)
    except LinkError as error:
        console.print(f"parvis-conformance: {error}", markup=False, highlight=False)
        sys.exit(2)
    title = (
        f"{side} {options['site']}/{subject.device} at {options['url']}"
        if side == "device"
        else f"platform at {options['url']}"
    )
    if options["as_json"]:
        click.echo(table.as_json(title, findings))
    else:
        table.show(title, findings, Console(width=None if sys.stdout.isatty() else 140))
    sys.exit(0 if table.kept(findings) else 1)


def _choose(side: str, only: Sequence[str]) -> list[Requirement]:
    known = requirements.load()
    wrong = set(only) - {one.id for one in known}
    if wrong:
        raise click.BadParameter(f"{', '.join(sorted(wrong))}: not in the contract", param_hint="--only")
    # What watches the others comes last: it judges all that was heard.
    last = {"device": {"R-002", "R-004", "R-304", "R-701", "R-802"}, "platform": {"R-002", "R-803"}}[side]
    return sorted(
        (one for one in known if one.binds(side) and (not only or one.id in only)), key=lambda o: o.id in last
    )


def _run(side: str, requirement: Requirement, subject: Any, console: Console) -> Finding:
    with console.status(f"{requirement.id} {requirement.check}"):
        return registry.run(side, requirement, subject)


def _access(options: dict[str, Any]) -> Access:
    return Access(options["url"], options["ca"], options["certificate"], options["key"])


def _platform(options: dict[str, Any], stack: ExitStack) -> PlatformSubject:
    device = options["device"] or f"kit-{secrets.token_hex(4)}"
    subject = PlatformSubject(
        _access(options), options["site"], device, Hooks(options["commands"]),
        Inspection(options["inspect"], options["site"], device), Schemas(), options["repository"], options["patience"],
    )  # fmt: skip
    stack.callback(subject.close)
    return subject


def _device(options: dict[str, Any], stack: ExitStack) -> DeviceSubject:
    if not options["device"]:
        raise click.UsageError("--as-platform needs --site and --device: those of the device to test")
    access, relay = _access(options), None
    if options["relay"] is not None:
        relay = Relay(options["relay"], access.address())
        stack.callback(relay.close)
    hooks = Hooks(options["commands"])
    subject = DeviceSubject(access, options["site"], options["device"], hooks, Schemas(), relay, options["patience"])
    stack.callback(subject.close)
    return subject


if __name__ == "__main__":
    main()
