"use strict";
// Drives Chromium for a test: a command a line comes in as JSON, its answer goes out as a line.
// Usage: node bridge.js CHROMIUM [ARGUMENT …]

const readline = require("node:readline");
const { chromium } = require("playwright-core");

const OFFLINE = [
  "--host-resolver-rules=MAP * ~NOTFOUND", "--disable-gpu", "--disable-quic",
  "--disable-background-networking", "--disable-component-update", "--disable-sync",
];
const STANDARDS = ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"];

const pages = [];

/** A page in a context of its own, with what it says and asks for written down. */
async function open(browser, { url, width, height, scheme, javascript, bypassCSP }) {
  const context = await browser.newContext({
    viewport: { width, height },
    colorScheme: scheme,
    javaScriptEnabled: javascript,
    bypassCSP,
    offline: false,
  });
  const page = await context.newPage();
  const made = { page, context, requests: [], complaints: [] };
  page.on("request", (request) => made.requests.push(request.url()));
  page.on("console", (message) => made.complaints.push(`${message.type()}: ${message.text()}`));
  page.on("pageerror", (error) => made.complaints.push(`error: ${error.message}`));
  made.session = await context.newCDPSession(page);
  await page.goto(url, { waitUntil: "load" });
  pages.push(made);
  return pages.length - 1;
}

/** The value of an expression; by the protocol, because a policy without eval stops other ways. */
async function evaluate({ session }, expression) {
  const done = await session.send("Runtime.evaluate", {
    expression, returnByValue: true, awaitPromise: true,
  });
  if (done.exceptionDetails) {
    throw new Error(done.exceptionDetails.exception?.description ?? done.exceptionDetails.text);
  }
  return done.result.value ?? null;
}

/** A method of Playwright's page by its dotted name; what it returns when that is plain data. */
async function call({ page }, method, parameters) {
  const path = method.split(".");
  const name = path.pop();
  const owner = path.reduce((object, part) => object[part], page);
  const result = await owner[name](...parameters);
  const isPlain = result === null || typeof result !== "object" || Array.isArray(result);
  return isPlain && result !== undefined ? result : null;
}

/** What axe-core finds wrong, in a context that lets it in past the policy of the page. */
async function audit(browser, { prepare, ...how }) {
  const number = await open(browser, { ...how, javascript: true, bypassCSP: true });
  const made = pages[number];
  try {
    if (prepare) await evaluate(made, prepare);
    await made.page.addScriptTag({ path: require.resolve("axe-core/axe.min.js") });
    const options = JSON.stringify({
      runOnly: { type: "tag", values: STANDARDS },
      resultTypes: ["violations"],
    });
    const found = await evaluate(made, `axe.run(document, ${options}).then((r) => r.violations)`);
    return found.map(({ id, help, nodes }) => ({
      id, help, nodes: nodes.map((node) => `${node.target}: ${node.failureSummary}`),
    }));
  } finally {
    await made.context.close();
  }
}

async function download({ page }, selector, path) {
  const [file] = await Promise.all([page.waitForEvent("download"), page.click(selector)]);
  await file.saveAs(path);
  return file.suggestedFilename();
}

async function answer(browser, message) {
  const made = pages[message.page];
  switch (message.do) {
    case "open": return open(browser, message.how);
    case "audit": return audit(browser, message.how);
    case "evaluate": return evaluate(made, message.expression);
    case "call": return call(made, message.method, message.parameters);
    case "download": return download(made, message.selector, message.path);
    case "requests": return made.requests;
    case "complaints": return made.complaints;
    case "close": return made.context.close().then(() => null);
    default: throw new Error(`unknown command ${message.do}`);
  }
}

async function main() {
  const [executablePath, ...extra] = process.argv.slice(2);
  const browser = await chromium.launch({
    executablePath, args: [...OFFLINE, ...extra], chromiumSandbox: false,
  });
  for await (const line of readline.createInterface({ input: process.stdin })) {
    let said;
    try {
      said = { value: (await answer(browser, JSON.parse(line))) ?? null };
    } catch (error) {
      said = { error: String(error.message ?? error) };
    }
    process.stdout.write(`${JSON.stringify(said)}\n`);
  }
  await browser.close();
}

main();
