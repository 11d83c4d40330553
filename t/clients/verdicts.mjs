/*
 * What an independent validator (ajv) says of bodies that are nearly right.
 *
 *     node verdicts.mjs SEED COUNT CONTRACT...
 *
 * For each operation with a body: the contract's example and the seeds below
 * as they are, then COUNT mutants of them.  Prints one JSON object a line:
 * {"operation", "method", "path", "body", "valid"}; body is text to be sent.
 */

import { readFileSync } from 'node:fs';

import Ajv from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';

const [seed, count, ...contracts] = process.argv.slice(2);

/* Bodies that show more of a schema than its example does. */
const filters = {
  filters: {
    status: { operator: 'in', value: ['success', 1, true] },
    cost: [
      { operator: 'gte', value: 0.5, connector: 'AND' },
      { operator: 'lt', value: [[1, 2], [3]], connector: 'OR' },
    ],
    metadata__team: {
      filter_params: {
        a: { operator: '', value: 'x', operator_function: 'mapContainsKey' },
        b: { filter_params: { c: [{ operator: 'not', value: false }] } },
      },
      connector: 'OR',
    },
  },
  is_exporting: false,
};
const seeds = {
  'experiment.create': [
    { dataset_id: 'd', workflow: [{ type: 'wait' }],
      evaluator_workflow_ids: ['w'], evaluator_ids: [], enable_tracing: true,
      batch_size: 10, description: null },
    { dataset_id: 'd', workflow: [{ type: 'eval', config: {} }, { type: 'x' }],
      evaluator_slugs: ['a', 'b'], evaluator_ids: ['a'] },
  ],
  'experiment.replace': [{ evaluator_ids: ['a'], workflow: [{ type: 'x' }] }],
  'experiment.update': [{ evaluator_workflow_ids: ['w'], concurrency: 2 }],
  'experiment.filter': [filters],
  'trace.filter': [filters],
  'trace.resume': [{ input: [1], output: '', metrics: { cost: 1 } }],
  'span.create': [
    { details: { agent_instance_id: 'i', schema_name: 'llm', status: 'failed',
      payload: { a: 1 }, parent_span_id: null, result_payload: { b: 2 },
      started_at: '2024-01-01T00:00:00.5+02:00', finished_at: null },
    idempotency_key: 'k' },
  ],
  'instance.register': [
    { agent_version: { name: 'n', external_identifier: 'v' },
      agent_schema_version: { external_identifier: 's',
        span_type_schemas: [{ name: 'llm' }], span_schemas: null },
      purpose: 'eval', update_current_version: true },
  ],
};

const values = [
  null, true, false, 0, 1, -1, 1.5, 1e20, '', 'x', 'in', 'OR', 'complete',
  'active', 'x'.repeat(64), 'x'.repeat(65), '\u{1f980}'.repeat(64),
  '2024-02-29', '2023-02-29', '2024-01-01T00:00:00', '2024-02-30T00:00:00',
  '2024-01-01T24:00:00Z', '2024-01-01T00:00:00-08:00', [], {}, ['x'], [[]],
  [null], [['x'], [1]], [[['x']]], { a: 1 }, { type: 'x' },
  { operator: 'in', value: 1 }, { filter_params: {} },
];

let state = Number(seed) >>> 0;


/* mulberry32: the same mutants everywhere for the same seed */
function random(limit) {
  state = (state + 0x6d2b79f5) >>> 0;
  let t = Math.imul(state ^ (state >>> 15), state | 1);
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
  return ((t ^ (t >>> 14)) >>> 0) % limit;
}


const pick = (list) => list[random(list.length)];
const copy = (value) => JSON.parse(JSON.stringify(value));


/* Every [holder, key] in a value, itself held by { body }. */
function places(holder) {
  return Object.entries(holder).flatMap(([key, value]) => [
    [holder, key],
    ...(value !== null && typeof value === 'object' ? places(value) : []),
  ]);
}


/* names: members that some body of the same contract has */
function mutate(body, names) {
  const held = { body: copy(body) };

  for (let left = 1 + random(2); left > 0; left--) {
    const [holder, key] = pick(places(held));
    const value = holder[key];
    const kind = random(4);

    if (kind === 0 && holder !== held && !Array.isArray(holder)) {
      delete holder[key];
    } else if (kind === 1 && Array.isArray(value)) {
      value.push(copy(pick(values)));
    } else if (kind <= 2 && value !== null && typeof value === 'object'
      && !Array.isArray(value)) {
      value[pick(names)] = copy(pick(values));
    } else {
      holder[key] = copy(pick(values));
    }
  }
  return held.body;
}


function resolve(document, value) {
  if (!value.$ref) return value;
  return value.$ref.slice(2).split('/').reduce((at, key) => at[key], document);
}


/* A path that reaches the operation; parameters are not what is judged. */
function target(document, path, ...parameters) {
  const query = parameters.flat().map((one) => resolve(document, one))
    .filter((one) => one.in === 'query' && one.required)
    .map((one) => `${one.name}=x`);

  return path.replace(/\{.*?\}/g, 'none')
    + (query.length ? `?${query.join('&')}` : '');
}


function bodies(file) {
  const document = JSON.parse(readFileSync(file));
  const ajv = new Ajv({ strict: false });
  const found = [];

  addFormats(ajv);
  ajv.addSchema({ ...document, $id: 'contract' }, 'contract');

  for (const [path, item] of Object.entries(document.paths)) {
    for (const [method, operation] of Object.entries(item)) {
      if (!operation.requestBody) continue;
      const { schema, example } = resolve(document, operation.requestBody)
        .content['application/json'];
      found.push({
        operation: operation.operationId,
        method: method.toUpperCase(),
        path: target(document, path, item.parameters ?? [],
          operation.parameters ?? []),
        check: ajv.compile({ $ref: `contract${schema.$ref}` }),
        start: [example, ...(seeds[operation.operationId] ?? [])],
      });
    }
  }
  return found;
}


for (const file of contracts) {
  const found = bodies(file);
  const names = [...new Set(found.flatMap(({ start }) => places(start))
    .map(([, key]) => key).filter((key) => !/^\d+$/.test(key)))];

  for (const { operation, method, path, check, start } of found) {
    const all = new Set(start.map((body) => JSON.stringify(body)));
    for (let i = 0; i < Number(count); i++) {
      all.add(JSON.stringify(mutate(pick(start), names)));
    }
    for (const body of all) {
      const valid = check(JSON.parse(body));
      console.log(JSON.stringify({ operation, method, path, body, valid }));
    }
  }
}
