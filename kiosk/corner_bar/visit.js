// SPDX-License-Identifier: EUPL-1.2
// How long this visit lasts: the one judge of its end. Ending is closing the browser; its unit then wipes the profile.
"use strict";

importScripts("words.js");

const SECOND = 1000;
const LOOK = "look";

async function times(touched) {
  const now = Date.now();
  const kept = await chrome.storage.session.get({ began: now, last: now });
  if (touched) kept.last = now;
  await chrome.storage.session.set(kept);
  return {
    idle: PARVIS.idle + PARVIS.warning - (now - kept.last) / SECOND,
    whole: PARVIS.minutes * 60 - (now - kept.began) / SECOND,
  };
}

async function end() {
  for (const open of await chrome.windows.getAll()) chrome.windows.remove(open.id);
}

async function look(touched) {
  const left = await times(touched);
  if (left.idle <= 0 || left.whole <= 0) await end();
  return left;
}

// A page that was opened beside the first is closed by "back"; the first has nowhere to go.
async function close(tab) {
  if (tab && (await chrome.tabs.query({})).length > 1) await chrome.tabs.remove(tab.id);
}

chrome.runtime.onMessage.addListener((asked, sender, answer) => {
  if (asked.what === "look") look(asked.touched).then(answer);
  else if (asked.what === "end") end().then(answer);
  else if (asked.what === "close") close(sender.tab).then(answer);
  return true;
});

// A page without our bar, such as one of the browser's own, would hold a visitor: ours takes its place.
chrome.webNavigation.onErrorOccurred.addListener((failed) => {
  if (failed.frameId !== 0 || failed.error === "net::ERR_ABORTED") return;
  const why = failed.error === "net::ERR_BLOCKED_BY_ADMINISTRATOR" ? "refused" : "away";
  chrome.tabs.update(failed.tabId, { url: chrome.runtime.getURL(`away.html#${why}`) });
});

chrome.alarms.onAlarm.addListener(() => look(false));
chrome.alarms.create(LOOK, { periodInMinutes: 0.5 });
look(false);
