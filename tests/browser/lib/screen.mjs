// Chromium without a screen, and what tests do with its pages.
import assert from 'node:assert/strict';
import { accessSync, constants } from 'node:fs';
import { AxeBuilder } from '@axe-core/playwright';
import { chromium } from 'playwright-core';

const ARGUMENTS = [
  '--no-sandbox', // containers have no user namespaces; the pages are our own
  '--disable-gpu',
  '--disable-quic',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run',
  '--font-render-hinting=none',
];

const executable = [process.env.CHROMIUM, '/usr/bin/chromium', '/opt/homebrew/bin/chromium', '/usr/local/bin/chromium']
  .filter(Boolean)
  .find((file) => {
    try {
      accessSync(file, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });

export const openBrowser = () => chromium.launch({ executablePath: executable, headless: true, args: ARGUMENTS });

/** A page in a context of its own. Errors of its scripts and all that its policy refused are collected in `errors`. */
export async function openPage(browser, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 860 }, locale: 'en-US', timezoneId: 'UTC', reducedMotion: 'reduce', ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  page.errors = [];
  page.on('pageerror', (error) => page.errors.push(error.message));
  page.on('dialog', (dialog) => {
    page.errors.push(`a script opened a dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on('console', (message) => {
    // What the network says of an expected 401 or a stopped worker is no fault of the page.
    if (message.type() === 'error' && !/Failed to load resource|net::ERR/.test(message.text())) page.errors.push(message.text());
  });
  return page;
}

/** The page of a route, once its heading is there and nothing is loading any more. */
export async function visit(page, mill, hash, heading) {
  await page.goto(`${mill.base}#/${hash}`);
  // The document stays the same; two frames later the page before is gone.
  await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
  if (heading) await page.getByRole('heading', { level: 1, name: heading, exact: typeof heading === 'string' }).waitFor();
  await settled(page);
}

export const settled = (page) => page.waitForFunction(() => !document.querySelector('.loading'));

/** The row of a table that holds a text. */
export const row = (page, text) => page.getByRole('row').filter({ hasText: text });

/** Presses what the dialog says that it does, after filling its fields. */
export async function answer(page, action, fields = {}) {
  const dialog = page.getByRole('dialog');
  await dialog.waitFor();
  for (const [label, value] of Object.entries(fields)) {
    const field = dialog.getByLabel(label);
    if (value === true) await field.check();
    else if ((await field.evaluate((element) => element.tagName)) === 'SELECT') await field.selectOption(value);
    else await field.fill(value);
  }
  await dialog.getByRole('button', { name: action, exact: true }).click();
  await dialog.waitFor({ state: 'detached' });
}

/** A notice at the corner. */
export const told = (page, text) => page.locator('.notice').filter({ hasText: text }).first().waitFor();

/** Fails on anything that axe finds, at any level. */
export async function accessible(page, what) {
  const { violations } = await new AxeBuilder({ page }).analyze();
  const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target, failureSummary }) => `${target.join(' ')}: ${failureSummary}`).join('\n    ')}`);
  assert.deepEqual(found, [], what);
}

/** Fails where the page is wider than the screen. */
export async function fits(page, what) {
  const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(over <= 0, `${what} is ${over} px too wide`);
}
