// SPDX-License-Identifier: Apache-2.0
//
// Starts the page: with the profile inside of an exported file, or with a server.
import { App } from "./app";
import { parseProfile, type Profile, type ProfileJson } from "./profile";
import { kindColour } from "./colour";
import { kindNames } from "./tree";
import { onTheme, startTheme } from "./theme";

/** The profile of an exported file; null when this is the served page. */
function embeddedProfile(): Profile | null {
  const text = document.getElementById("profile")?.textContent;
  return text ? parseProfile(JSON.parse(text) as ProfileJson) : null;
}

startTheme();
onTheme((t) => kindNames.forEach((_, k) => document.documentElement.style.setProperty(`--kind-${k}`, kindColour(k, t))));
const root = document.getElementById("app")!;
try {
  new App(root, embeddedProfile()).start();
} catch (e) {
  root.textContent = `The page cannot start: ${(e as Error).message}`;
  throw e;
}
