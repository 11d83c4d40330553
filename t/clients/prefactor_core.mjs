/*
 * Prefactor's own client, as published, does its whole work: registers an
 * instance, starts it, creates spans, finishes them, finishes the instance;
 * first by its HTTP clients, then by the tracer that applications use.
 *
 *     PROCTOR_URL=... PROCTOR_KEY=... node prefactor_core.mjs
 *
 * The tracer keeps failures to itself, so each answer is read off fetch on its
 * way to the client.  Prints one JSON object a line: {"name", "ok"} and, for a
 * call, "call", "status", "rid" (the answer's X-Request-Id), "body" when it is
 * not ok.  The exit status is 0 when all is well.
 */

import {
  AgentInstanceClient, AgentSpanClient, HttpClient, HttpTransportConfigSchema,
  SpanType, createConfig, createCore, withSpan,
} from '@prefactor/core';

const apiUrl = process.env.PROCTOR_URL;
const apiToken = process.env.PROCTOR_KEY;
const agentSchema = {
  external_identifier: 'schema-1',
  span_schemas: {
    agent: { type: 'object' },
    llm: { type: 'object' },
    tool: { type: 'object' },
  },
};
const answers = [];
let failed = 0;
let answered = () => {};


function tell(ok, name, more = {}) {
  failed += ok ? 0 : 1;
  console.log(JSON.stringify({ ok, name, ...more }));
}


const realFetch = globalThis.fetch;

globalThis.fetch = async (resource, options) => {
  const answer = await realFetch(resource, options);
  const { pathname } = new URL(resource);
  answers.push({
    call: `${options.method} ${pathname.replace(/[0-9a-z]{32}/, '{id}')}`,
    status: answer.status,
    rid: answer.headers.get('x-request-id'),
    body: await answer.clone().text(),
  });
  answered(answers.at(-1));
  return answer;
};


/* The answer to the only call since the last look. */
function last(name, expected) {
  const all = answers.splice(0);
  const { body, ...answer } = all.at(-1) ?? {};
  const ok = all.length === 1 && answer.status === expected;
  tell(ok, name, { ...answer, ...(ok ? {} : { calls: all.length, body }) });
}


function http(overrides = {}) {
  return new HttpClient(HttpTransportConfigSchema.parse(
    { apiUrl, apiToken, ...overrides }));
}


/* The call has to end in the client's own error, without a second attempt. */
async function refused(name, expected, code, call) {
  let error = {};
  await call().catch((thrown) => { error = thrown; });
  last(name, expected);
  tell(error.constructor.name === 'HttpClientError' && !error.retryable,
    `${name}: the client does not try again`);
  tell(error.responseBody?.code === code, `${name}: the code is ${code}`,
    { body: error.responseBody });
}


async function byHttp() {
  const instances = new AgentInstanceClient(http());
  const spans = new AgentSpanClient(http());
  const now = () => new Date().toISOString();

  const registered = await instances.register({
    agent_version: {
      external_identifier: 'v1.0.0', name: 'Agent', description: '',
    },
    agent_schema_version: agentSchema,
  });
  last('an instance is registered', 200);
  const instance = registered.details.id;

  await instances.start(instance);
  last('it is started', 200);

  const create = async (status, name) => {
    const { details } = await spans.create({
      details: {
        agent_instance_id: instance,
        schema_name: 'llm',
        status,
        payload: { prompt: 'caf\u00e9 \u{1f980}', big: Number.MAX_SAFE_INTEGER },
        result_payload: undefined,
        parent_span_id: null,
        started_at: status === 'pending' ? null : now(),
        finished_at: null,
      },
    });
    last(name, 200);
    return details.id;
  };

  const active = await create('active', 'a span is created');
  await spans.finish(active, '2024-01-01T00:00:00Z',
    { status: 'complete', result_payload: { a: 1 } });
  last('it is finished', 200);
  await spans.finish(active, now());
  last('a second finish is the conflict that the client knows', 409);

  await spans.finish(await create('active', 'another span'), now(),
    { status: 'failed', idempotency_key: 'k'.repeat(64) });
  last('it has failed', 200);
  await spans.finish(await create('pending', 'a pending span'), now(),
    { status: 'cancelled' });
  last('it is cancelled', 200);

  const open = await create('active', 'a span that stays open');
  await refused('a status that does not exist', 400, 'invalid_value',
    () => spans.finish(open, now(), { status: 'done' }));
  await refused('an idempotency key of 65 characters', 400, 'invalid_value',
    () => spans.finish(open, now(), { idempotency_key: 'k'.repeat(65) }));
  await refused('a token of nobody', 401, 'bad_authtoken',
    () => new AgentSpanClient(http({ apiToken: 'nobody' }))
      .finish(open, now()));
  await refused('an id with a slash', 404, 'not_found',
    () => spans.finish('a/b', now()));

  await instances.finish(instance, { status: 'complete' });
  last('the instance is finished', 200);
}


async function byTracer() {
  const core = createCore(createConfig({
    httpConfig: {
      apiUrl, apiToken, agentSchema, agentName: 'support',
      agentIdentifier: 'v2.0.0',
    },
  }));

  /* The client sends a span as it is by then: one that ended meanwhile is
     created as ended, and finishing it is a conflict. */
  const created = new Promise((resolve) => {
    answered = ({ call }) => call === 'POST /api/v1/agent_spans' && resolve();
  });

  core.agentManager.startInstance();
  await withSpan({ name: 'answer', spanType: SpanType.AGENT, inputs: { q: 1 } },
    async () => {
      await created;
      await withSpan({ name: 'ask', spanType: SpanType.LLM, inputs: {} },
        async () => ({ text: 'so' }));
      await withSpan({ name: 'search', spanType: SpanType.TOOL, inputs: {} },
        async () => { throw new Error('nothing found'); }).catch(() => {});
    });
  core.agentManager.finishInstance();
  await core.shutdown();

  for (const { body, ...answer } of answers) {
    const ok = answer.status === 200;
    tell(ok, `tracer: ${answer.call}`, { ...answer, ...(ok ? {} : { body }) });
  }
  const calls = answers.map(({ call }) => call);
  const wanted = [
    'POST /api/v1/agent_instance/register',
    'POST /api/v1/agent_instance/{id}/start',
    'POST /api/v1/agent_spans',
    'POST /api/v1/agent_spans',
    'POST /api/v1/agent_spans',
    'POST /api/v1/agent_spans/{id}/finish',
    'POST /api/v1/agent_instance/{id}/finish',
  ];
  tell(calls.join() === wanted.join(), 'the tracer made all of its calls',
    { calls });
}


await byHttp();
await byTracer();
process.exitCode = failed ? 1 : 0;
