/*
 * A client made by openapi-client-axios from the contract itself calls every
 * operation of it, as an application would: creates, waits, resumes, lists,
 * counts, changes, deletes.
 *
 *     PROCTOR_URL=... PROCTOR_KEY=... node openapi_client.mjs CONTRACT
 *
 * Prints one JSON object a line: {"name", "ok"} and, for a call, "operation",
 * "status", "rid" (the answer's X-Request-Id), "body" when it is not ok.  The
 * exit status is 0 when all is well.
 */

import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

import axios from 'axios';
import { OpenAPIClientAxios } from 'openapi-client-axios';

const url = new URL(process.env.PROCTOR_URL);
const definition = JSON.parse(readFileSync(process.argv[2]));
const api = new OpenAPIClientAxios({
  definition,
  withServer: { url: url.origin },
  axiosConfigDefaults: {
    headers: { Authorization: `Bearer ${process.env.PROCTOR_KEY}` },
    validateStatus: () => true,
    maxRedirects: 0,
  },
});
const client = await api.init();
const called = new Set();
let failed = 0;


function tell(ok, name, more = {}) {
  failed += ok ? 0 : 1;
  console.log(JSON.stringify({ ok, name, ...more }));
}


function judge(answer, operation, expected, name) {
  const ok = answer.status === expected;
  called.add(operation);
  tell(ok, name, {
    operation,
    status: answer.status,
    rid: answer.headers['x-request-id'],
    ...(ok ? {} : { expected, body: answer.data }),
  });
  return answer.data;
}


/* parameters: of path and query; body: JSON or undefined */
async function call(operation, expected, parameters, body, name = operation) {
  const answer = await client[operation](parameters, body);
  return judge(answer, operation, expected, name);
}


/* Calls until `done` says so, at most ten seconds long. */
async function until(operation, parameters, done) {
  for (let i = 0; i < 200; i++) {
    const answer = await client[operation](parameters);
    if (answer.status !== 200 || done(answer.data)) {
      return judge(answer, operation, 200, `${operation}, waited for`);
    }
    await sleep(50);
  }
  tell(false, `${operation}: what was waited for never came`);
  return {};
}


async function create(fields) {
  return call('experiment.create', 201, null, {
    dataset_id: 'ds_support_qa_2024',
    workflow: [{ type: 'completion', config: { model: 'gpt-4o-mini' } }],
    evaluator_ids: ['eval_quality'],
    ...fields,
  });
}


async function resume(experiment_id) {
  await until('experiment.retrieve', { experiment_id },
    (experiment) => !['pending', 'running'].includes(experiment.status));
  const page = await call('trace.list', 200, { experiment_id, detail: '1' });
  const waiting = page.results.filter((trace) => trace.status !== 'success');
  tell(waiting.length > 0, 'traces wait for their results');

  for (const { id: log_id } of waiting) {
    const resumed = await call('trace.resume', 200, { experiment_id, log_id },
      { input: null, output: { answer: 42 }, metadata: { source: 'runner' } });
    tell(resumed.status === 'success', 'a resumed trace is a success');
  }
  const log_id = page.results[0].id;
  const trace = await call('trace.retrieve', 200, { experiment_id, log_id });
  tell(trace.output?.answer === 42 || /42/.test(trace.output),
    'what was handed in is what the trace holds');
}


/* A list's next page is one that the same key gets from the gateway. */
async function follow() {
  const page = await call('experiment.filter', 200,
    { page: 1, page_size: 1, sort_by: '-created_at' }, {});
  tell(new URL(page.next).origin === url.origin,
    'the next page is at the gateway');
  const answer = await api.instance.get(page.next, {
    headers: { 'X-Followed': 'yes' },
  });
  judge(answer, 'experiment.list_with_filters', 200, 'the next page');
  tell(new URL(answer.data.previous).origin === url.origin,
    'the previous page is at the gateway');
}


async function refused() {
  const operation = 'experiment.list_with_filters';
  const answer = await call(operation, 400, { page_size: 101 }, undefined,
    'a page that is too large');
  tell('page_size' in (answer.errors ?? {}), 'the refusal names page_size');

  const stranger = await axios.get(new URL('/api/v2/experiments/', url).href, {
    headers: { Authorization: 'Bearer stranger' },
    validateStatus: () => true,
  });
  tell(stranger.status === 401 && 'detail' in stranger.data,
    'a stranger is told so');
}


const filter = {
  filters: { status: { operator: 'in', value: ['success', 'pending'] } },
};
const times = { start_time: '2020-01-01T00:00:00Z', end_time: '2100-01-01' };

const created = await create({ name: 'first run' });
const waits = await create({
  name: 'waits for an outside result',
  workflow: [{ type: 'wait' }],
  evaluator_ids: undefined,
  evaluator_workflow_ids: ['wfv_quality_2024'],
});
const experiment_id = created.id;
const scores = { experiment_id, evaluator_id: 'eval_quality:grader', bins: 5 };

await resume(waits.id);
await follow();
await call('experiment.list', 200, { page: 1, page_size: 100 });
await call('experiment.list_with_filters', 200, { sort_by: 'name' });
await call('experiment.filter', 200, null,
  { filters: { name: { operator: 'icontains', value: 'run' } } });
await call('experiment.summary', 200);
await call('experiment.filter_summary', 200, null, {});
await call('experiment.retrieve', 200, { experiment_id });
await call('trace.list', 200, { experiment_id, ...times });
await call('trace.filter', 200, { experiment_id, sort_by: '-start_time' },
  filter);
await call('trace.summary', 200, { experiment_id, ...times });
await call('trace.filter_summary', 200, { experiment_id }, filter);
await call('experiment.histogram', 200, scores);
await call('experiment.filter_histogram', 200, scores, {});
const renamed = await call('experiment.update', 200, { experiment_id },
  { name: 'renamed' });
tell(renamed.name === 'renamed', 'the experiment has its new name');
const replaced = await call('experiment.replace', 200, { experiment_id },
  { description: 'described' });
tell(replaced.description === 'described', 'and its description');
await refused();
await call('experiment.delete', 204, { experiment_id });
await call('experiment.retrieve', 404, { experiment_id }, undefined,
  'what was deleted is gone');

const missed = api.getOperations().map((operation) => operation.operationId)
  .filter((id) => !called.has(id));
tell(called.size === 18 && missed.length === 0,
  `all 18 operations were called${missed.map((id) => `; not ${id}`).join('')}`);

process.exitCode = failed ? 1 : 0;
