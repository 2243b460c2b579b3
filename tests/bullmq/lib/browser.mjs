// A Chromium without a screen, for tests of what people see.
import { accessSync, constants } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { chromium } from 'playwright-core';

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
  const profile = await mkdtemp(path.join(tmpdir(), 'gristmill-browser-'));
  const options = { executablePath: executable, headless: true, args: ARGUMENTS, locale: 'en-US' };
  const context = await chromium.launchPersistentContext(profile, options);
  const [page = await context.newPage()] = context.pages();
  const errors = [];
  page.on('pageerror', (error) => errors.push(error.message));
  const close = async () => {
    await context.close();
    await rm(profile, { recursive: true, force: true });
  };
  return { page, errors, close };
}
