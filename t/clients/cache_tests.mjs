/*
 * The public suite for HTTP caches (cache-tests.fyi, npm http-cache-tests),
 * its own origin server and its own client, with the gateway between them.
 *
 *     node cache_tests.mjs [ID...]
 *
 * Environment: PROCTOR_URL; ORIGIN_PORT, where the gateway looks for the
 * origin; NOBODY_KEY and SOMEBODY_KEY, the gateway's keys of two accounts;
 * SOMEBODY_LENT, the upstream key of the second.
 *
 * Prints one JSON object a line for each test: {"suite", "id", "kind",
 * "result", "why"}.  result is the suite's own verdict (pass, fail, optional,
 * yes, no, setup, retry, depends), or left: why it does not apply is said.
 *
 * Two things are translated, in both directions, because the gateway is one:
 *
 *  - Credentials.  A caller's Authorization is the gateway's, and never reaches
 *    the origin.  A request of the suite without one comes from one account, a
 *    request with "Authorization: FOO" from another; at the origin, the second
 *    account's key is FOO again, and the first's is nothing.
 *  - Bodies.  The gateway takes JSON only, and none with DELETE: what the suite
 *    sends with its unsafe methods is put in quotes, or left out.  No test
 *    looks at it.
 */

import http from 'node:http';
import { createRequire } from 'node:module';
import process from 'node:process';

const suite = 'http-cache-tests';
const require = createRequire(import.meta.url);
const fetch = require('node-fetch');

const {
  PROCTOR_URL, ORIGIN_PORT, NOBODY_KEY, SOMEBODY_KEY, SOMEBODY_LENT,
} = process.env;

/* Tests that ask for what this gateway is not, each with its reason. */

const left = [
  [/M-SEARCH(?!-location)/, 'the gateway knows no method M-SEARCH: 405'],
  [/^status-(301|302|303|307|308)-/,
    'the gateway takes no redirect from its upstream: 502'],
];

/* The origin speaks to the gateway on one port, to nobody else. */

async function origin() {
  const listening = [];
  const create = http.createServer;

  http.createServer = handler => {
    const server = create((request, response) => {
      if (request.headers.authorization === `Bearer ${SOMEBODY_LENT}`) {
        request.headers.authorization = 'FOO';
      } else {
        delete request.headers.authorization;
      }
      handler(request, response);
    });
    const listen = server.listen.bind(server);

    server.listen = port => listen(port, '127.0.0.1');
    listening.push(new Promise(done => server.on('listening', done)));
    return server;
  };

  process.env.npm_config_protocol = 'http';
  process.env.npm_config_port = ORIGIN_PORT;
  process.env.npm_config_pidfile = '/dev/null';
  await import(`${suite}/server/server.mjs`);
  await Promise.all(listening);
}

/* What the suite's client calls fetch. */

function call(url, init = {}) {
  const method = init.method || 'GET';
  const given = init.headers || [];
  const named = name => pair => pair[0].toLowerCase() === name;
  const key = given.some(named('authorization')) ? SOMEBODY_KEY : NOBODY_KEY;
  const headers = given.filter(pair => !named('authorization')(pair));
  let body = init.body;

  headers.push(['Authorization', `Bearer ${key}`]);

  if (body !== undefined && !given.some(pair => named('content-type')(pair)
      && pair[1] === 'application/json')) {
    body = method === 'DELETE' ? undefined : JSON.stringify(body);
    const type = headers.find(named('content-type'));
    if (type) {
      headers.splice(headers.indexOf(type), 1);
    }
    if (body !== undefined) {
      headers.push(['Content-Type', 'application/json']);
    }
  }

  return fetch(url, { ...init, headers, body });
}

/* The suite tells its verdicts by symbols only. */

const words = {
  '-': 'left', '✅': 'pass', '⛔️': 'fail', '⚠️': 'optional', Y: 'yes', N: 'no',
  '🔹': 'setup', '⁉️': 'harness', '⚪️': 'depends', '↻': 'retry',
};

const log = console.log;
console.log = () => {}; /* the suite's own chatter */

const chosen = process.argv.slice(2);
const { default: suites } = await import(`${suite}/tests/index.mjs`);
const { runTests, getResults } = await import(`${suite}/client/runner.mjs`);
const display = await import(`${suite}/lib/display.mjs`);

const reason = id => left.find(([pattern]) => pattern.test(id))?.[1];
const wanted = test => reason(test.id) === undefined
  && (chosen.length === 0 || chosen.includes(test.id));

await origin();
await runTests(suites.map(set => ({
  ...set,
  tests: set.tests.filter(wanted).map(test =>
    ({ ...test, dump: false })),
})), call, false, PROCTOR_URL);

const results = getResults();

for (const set of suites) {
  for (const test of set.tests) {
    const result =
      words[display.determineTestResult(suites, test.id, results)[2]];
    let why = Array.isArray(results[test.id]) ? results[test.id][1] : '';

    if (result === 'left') {
      why = reason(test.id) || (test.browser_only
        ? 'for caches of browsers' : 'was not chosen');
    }
    log(JSON.stringify({
      suite: set.id, id: test.id, kind: test.kind || 'required', result, why,
    }));
  }
}

process.exit(0);
