// Loads the trace events that ./lab trace --perfetto wrote into the Performance panel of
// Chrome's developer tools, and asks whether it draws a track for each program.
//
//   node chrome_test.mjs FOLDER FILE TRACK...
//
// A screenshot goes to FOLDER. Needs the npm package playwright-core (in NODE_PATH) and
// a Chromium (CHROMIUM, or /usr/bin/chromium).
import {spawn} from 'node:child_process';
import {mkdtempSync, rmSync} from 'node:fs';
import {createRequire} from 'node:module';
import {tmpdir} from 'node:os';
import {basename, join, resolve} from 'node:path';

const modules = process.env.NODE_PATH || '.';
const require = createRequire(resolve(modules, 'x.js'));
const {chromium} = require(resolve(modules, 'playwright-core'));
const [folder, file, ...tracks] = process.argv.slice(2);

// Only a browser that serves its own developer tools lets a page open them.
const profile = mkdtempSync(join(tmpdir(), 'chrome-'));
const child = spawn(process.env.CHROMIUM || '/usr/bin/chromium', [
  '--headless=new', '--no-sandbox', '--remote-debugging-port=0', '--remote-allow-origins=*',
  `--user-data-dir=${profile}`, 'about:blank'], {stdio: ['ignore', 'ignore', 'pipe']});
const address = await new Promise((done) => {
  let text = '';
  child.stderr.on('data', (data) => {
    text += data;
    const found = text.match(/ws:\/\/([^/]+)\//);
    if (found) done(found[1]);
  });
});
let failures = 0;
try {
  const browser = await chromium.connectOverCDP(`http://${address}`);
  const page = await browser.contexts()[0].newPage();
  await page.setViewportSize({width: 1280, height: 800});
  await page.goto(`http://${address}/devtools/devtools_app.html?panel=timeline`);
  await page.locator('input[type=file]').first().setInputFiles(resolve(file));
  // The panel gives a trace that it has read the number 1.
  await page.getByText('#1').first().waitFor({timeout: 30000});
  // The tracks are drawn on a canvas; what opens and closes is also told in words.
  await page.getByRole('button', {name: 'Hide sidebar'}).click({timeout: 5000}).catch(() => {});
  await page.keyboard.press('Escape');
  const told = new Set();
  const canvas = await page.locator('canvas').evaluateAll((all) =>
    all.map((one) => one.getBoundingClientRect()).filter((box) => box.height > 200)[0]);
  for (let y = canvas.y + 4; y < canvas.y + 200; y += 8) {
    await page.mouse.click(canvas.x + 10, y);
    for (const text of await page.locator('[role=alert], [aria-live]').allTextContents()) told.add(text);
  }
  for (const track of tracks) {
    if (![...told].some((text) => text.startsWith(track))) {
      ++failures;
      console.error(`chrome: ${basename(file)}: the panel draws no track ${track}; it tells: ${[...told].join('; ')}`);
    }
  }
  await page.screenshot({path: `${folder}/${basename(file, '.json')}-chrome.png`});
  if (!failures) console.log(`${basename(file)}: the Performance panel draws the tracks ${tracks.join(', ')}`);
} catch (error) {
  ++failures;
  console.error(`chrome: ${basename(file)}: ${error}`);
} finally {
  child.kill('SIGKILL');
  await new Promise((done) => child.on('close', done));
  rmSync(profile, {recursive: true, force: true, maxRetries: 5});
}
process.exit(failures ? 1 : 0);
