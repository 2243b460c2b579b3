// A Chromium without a screen, for tests of what people see.
import { accessSync, constants } from 'node:fs';
import { chromium } from 'playwright-core';
import { makeFolder, removeFolder } from './process.mjs';

const ARGUMENTS = [
  '--no-sandbox', // containers have no user namespaces; the pages are our own
  '--disable-gpu',
  '--disable-quic',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run',
];

/** Where Chromium is; undefined if it is not here. */
export const executable = [process.env.CHROMIUM, '/usr/bin/chromium', '/opt/homebrew/bin/chromium', '/usr/local/bin/chromium']
  .filter(Boolean)
  .find((file) => {
    try {
      accessSync(file, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });

/** A page with a user's directory of its own; `close()` ends the browser and removes that. */
export async function openPage() {
  const profile = await makeFolder('browser');
  const options = { executablePath: executable, headless: true, args: ARGUMENTS, locale: 'en-US' };
  const context = await chromium.launchPersistentContext(profile, options);
  const [page = await context.newPage()] = context.pages();
  const errors = [];
  page.on('pageerror', (error) => errors.push(error.message));
  const close = async () => {
    await context.close();
    await removeFolder(profile);
  };
  return { page, errors, close };
}
