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
 * "result", "why", "reason"}.  result is the suite's own verdict (pass, fail,
 * optional, yes, no, setup, retry), depends: passed, but says nothing, since
 * what it builds on is optional and not done, or left: it does not apply.  why
 * is what the suite says of a failure, reason what we say to it.
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

/* Tests that do not apply to this gateway, or cannot say anything of it. */

const left = [
  [/M-SEARCH(?!-location)/, 'the gateway knows no method M-SEARCH: 405'],
  [/^status-(301|302|303|307|308)-/,
    'the gateway takes no redirect from its upstream: 502'],
  [/-Content-Encoding$/,
    'the gateway asks for no coding and takes no coded answer: 502'],
  [/-Transfer-Encoding$/, 'no HTTP: nginx refuses the answer, 502'],
  [/^stale-close-/, 'nobody can pass: an error of the gateway\'s own counts '
    + 'as an answer from the cache'],
];

/* What is not done, and why.  These may fail, if they are not required; of
   those that are, the ones that say "required". */

const reasons = [
  [/^age-parse-prefix$/, 'required: an Age that is a list is as old as can be'],
  [/^(headers-store|304-etag-update-response)-Set-Cookie2?$/,
    'required: what sets a cookie is never kept'],
  [/^(headers-store|304-etag-update-response)-Content-Range$/,
    'required: what says that it is a part is never kept'],
  [/^other-set-cookie$/, 'what sets a cookie is never kept'],
  [/^other-authorization-/, 'no account is given what another was told'],
  [/^(heuristic-|other-heuristic|pragma-response-no-cache-heuristic)/,
    'nothing is guessed from Last-Modified'],
  [/^status-/, 'kept are 200 203 204 300 301 404 405 410 414 501'],
  [/^invalidate-.*-failed$/,
    'what a write may have changed is forgotten before it is sent'],
  [/^partial-/, 'only whole answers are kept'],
  [/^method-POST$/, 'what a POST brings is never a GET\'s'],
  [/^vary-/, 'one variant is kept, and fields are compared as they are'],
  [/^(stale-|ccreq-max-stale)/,
    'kept beyond its time only where the contract or the answer says so'],
  [/^freshness-(max-age|expires)-/, 'what is bad has the strict reading'],
  [/^conditional-etag-forward/, 'a condition is the gateway\'s to answer'],
  [/^conditional-etag-vary-headers-mismatch$/, 'one variant is kept'],
  [/^conditional-/, 'validators are compared as they are'],
  [/^pragma-request-/, 'Pragma counts where there is no Cache-Control'],
  [/^headers-omit-/, 'no-cache with field names is no-cache'],
  [/^head-/, 'a HEAD changes nothing that is kept'],
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

const find = (list, id) => list.find(([pattern]) => pattern.test(id))?.[1];
const wanted = test => find(left, test.id) === undefined
  && (chosen.length === 0 || chosen.includes(test.id));

await origin();
await runTests(suites.map(set =>
  ({ ...set, tests: set.tests.filter(wanted) })), call, false, PROCTOR_URL);

const results = getResults();

for (const set of suites) {
  for (const { id, kind = 'required', browser_only: browsers } of set.tests) {
    const raw = results[id];
    let result = words[display.determineTestResult(suites, id, results)[2]];
    let reason = find(reasons, id) || '';

    if (result === 'left') {
      reason = find(left, id)
        || (browsers ? 'for caches of browsers' : 'was not chosen');

    } else if (result === 'depends' && raw !== true) {
      result = kind === 'required' ? 'fail' : 'no';
    }
    log(JSON.stringify({
      suite: set.id, id, kind, result, reason,
      why: Array.isArray(raw) ? raw[1] : '',
    }));
  }
}

process.exit(0);
