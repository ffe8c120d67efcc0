// Opens pages that ./lab trace wrote in headless Chromium, uses them, and asks
// axe-core about them.
//
//   node page_test.mjs FOLDER PAGE...
//
// Screenshots go to FOLDER. Needs the npm packages playwright-core and axe-core
// (in NODE_PATH) and a Chromium (CHROMIUM, or /usr/bin/chromium).
import {createRequire} from 'node:module';
import {readFileSync} from 'node:fs';
import {basename, resolve} from 'node:path';

const require = createRequire(resolve(process.env.NODE_PATH || '.', 'x.js'));
const {chromium} = require(resolve(process.env.NODE_PATH || '.', 'playwright-core'));
const axe = readFileSync(require.resolve(resolve(process.env.NODE_PATH || '.', 'axe-core/axe.min.js')), 'utf8');
const [folder, ...pages] = process.argv.slice(2);
let failures = 0;
const check = (good, what) => {
  if (!good) {
    ++failures;
    console.error('page: ' + what);
  }
};

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: ['--no-sandbox']});
for (const file of pages) {
  for (const [width, height] of [[1280, 900], [400, 800]]) {
    for (const colorScheme of ['light', 'dark']) {
      const where = `${basename(file)} at ${width}, ${colorScheme}`;
      const context = await browser.newContext({viewport: {width, height}, colorScheme});
      const page = await context.newPage();
      page.on('pageerror', (error) => check(false, `${where}: ${error}`));
      page.on('request', (request) =>
        check(request.url().startsWith('file:'), `${where}: asks for ${request.url()}`));
      const started = Date.now();
      await page.goto('file://' + resolve(file));
      await page.waitForSelector('.call');
      const opened = Date.now() - started;
      const shot = `${folder}/${basename(file, '.html')}-${width}-${colorScheme}`;
      await page.screenshot({path: shot + '.png'});

      // The keyboard reaches the calls, and their details show.
      await page.focus('#view');
      for (let i = 0; i < 5; ++i) await page.keyboard.press('ArrowRight');
      check(await page.locator('.call.now').count() === 1, `${where}: no call is current`);
      check(await page.evaluate(() => document.activeElement.classList.contains('now')),
        `${where}: the current call has no focus`);
      check(await page.locator('#details pre, #details h2').count() > 0, `${where}: no details`);
      // An arrow can be followed.
      const linked = await page.evaluate(() => data.arrows.find((a) => place[a.to] && place[a.from]));
      if (linked) {
        await page.evaluate((index) => go(index), linked.from);
        await page.keyboard.press('Enter');
        check(await page.evaluate(() => state.current) !== linked.from, `${where}: Enter follows no arrow`);
      }
      await page.screenshot({path: shot + '-call.png'});
      // Finding, filtering, zooming.
      await page.fill('#find', 'close');
      await page.keyboard.press('Enter');
      check(/[1-9]\d* found/.test(await page.inputValue('#found').catch(() => '') ||
        await page.textContent('#found')), `${where}: finds no close`);
      await page.fill('#find', '');
      const all = await page.evaluate(() => rows.length);
      await page.selectOption('#kind', 'arrow');
      check(await page.evaluate(() => rows.length) < all, `${where}: the filter leaves all`);
      await page.selectOption('#kind', 'all');
      const before = await page.evaluate(() => height);
      await page.evaluate(() => {
        document.getElementById('zoom').value = 60;
        document.getElementById('zoom').dispatchEvent(new Event('input'));
      });
      check(await page.evaluate(() => height) > before, `${where}: the zoom does nothing`);
      await page.evaluate(() => {
        document.getElementById('zoom').value = 0;
        document.getElementById('zoom').dispatchEvent(new Event('input'));
      });
      // What does not fit is scrolled, not the page as a whole.
      check(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth),
        `${where}: the page is wider than the window`);

      await page.evaluate(axe);
      const result = await page.evaluate(() => axe.run());
      for (const violation of result.violations) {
        check(false, `${where}: axe: ${violation.id}: ${violation.help}: ` +
          violation.nodes.slice(0, 3).map((node) => node.target.join(' ')).join(', '));
      }
      console.log(`${where}: opened in ${opened} ms, ${await page.evaluate(() => data.events.length)} events`);
      await context.close();
    }
  }
}
await browser.close();
process.exit(failures ? 1 : 0);
