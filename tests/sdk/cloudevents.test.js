// The official CloudEvents library: what it makes and sends is taken as it is.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { before, test } from 'node:test';
import { CloudEvent, HTTP, Mode, emitterFor, httpTransport } from 'cloudevents';

const url = process.env.TOLLGATE_TEST_URL + '/api/v1/events';
const authorization = `Bearer ${process.env.TOLLGATE_TEST_ADMIN_KEY}`;
const usage = { input_tokens: 900, cached_input_tokens: 100, output_tokens: 50 };
const charge = '0.0001725';
let customer;

const operator = async (path, body) => {
  const response = await fetch(process.env.TOLLGATE_TEST_URL + path, { method: 'POST', body: JSON.stringify(body), headers: { authorization, 'content-type': 'application/json' } });
  const answer = await response.json();
  assert.ok(response.ok, JSON.stringify(answer));
  return answer;
};
before(async () => {
  customer = (await operator('/api/v1/customers', { name: 'events' })).id;
  await operator('/api/v1/grants', { customer, amount: '10' });
});

const event = (more) => new CloudEvent({ source: '/app/%E2%82%AC', type: 'gpt-4o-mini', subject: customer, data: { usage }, ...more });
const send = async (mode, made, headers = { authorization }) => JSON.parse((await emitterFor(httpTransport(url), { mode })(made, { headers })).body);

for (const mode of [Mode.BINARY, Mode.STRUCTURED]) {
  test(`an event is taken that is sent in ${mode} mode, and charged once`, async () => {
    const made = event({ source: '/app', traceparent: '00-0af7651916cd43dd8448eb211c80319c-b9c7c989f97918e1-01', team: 'blue' });
    const first = await send(mode, made);
    assert.deepEqual([first.status, first.id, first.source, first.state, first.charge], ['accepted', made.id, '/app', 'settled', charge]);
    const again = await send(mode, made);
    assert.deepEqual([again.status, again.call, again.charge], ['duplicate', first.call, charge]);
  });
}

test('the same event in two modes is one', async () => {
  const made = event({ source: '/two' });
  assert.equal((await send(Mode.BINARY, made)).status, 'accepted');
  assert.equal((await send(Mode.STRUCTURED, made)).status, 'duplicate');
  assert.equal((await send(Mode.STRUCTURED, made.cloneWith({ data: { usage: { ...usage, output_tokens: 51 } } }))).error.code, 'event_conflict');
});

test('data in Base64 is read', async () => {
  const answer = await send(Mode.STRUCTURED, event({ source: '/base64', data: undefined, data_base64: Buffer.from(JSON.stringify({ usage })).toString('base64') }));
  assert.deepEqual([answer.status, answer.charge], ['accepted', charge]);
});

test('what stands in the attributes is what is kept', async () => {
  const made = event({ id: `"${randomUUID()}" ü%20` });
  const answer = await send(Mode.STRUCTURED, made);
  assert.deepEqual([answer.status, answer.id, answer.source], ['accepted', made.id, made.source]);
});

test('a batch is answered event by event', async () => {
  const batch = [event({ source: '/b' }), event({ source: '/b' }), event({ source: '/b', subject: randomUUID() })];
  const response = await fetch(url, { method: 'POST', body: JSON.stringify(batch), headers: { authorization, 'content-type': 'application/cloudevents-batch+json; charset=UTF-8' } });
  const answer = await response.json();
  assert.deepEqual([answer.accepted, answer.duplicates, answer.rejected], [2, 0, 1]);
  assert.deepEqual(answer.data.map((one) => [one.index, one.id, one.status]), batch.map((one, i) => [i, one.id, i < 2 ? 'accepted' : 'rejected']));
});

test('what the library makes of a message is sent as it is', async () => {
  for (const message of [HTTP.binary(event({ source: '/raw' })), HTTP.structured(event({ source: '/raw' }))]) {
    const response = await fetch(url, { method: 'POST', body: message.body, headers: { ...message.headers, authorization } });
    assert.equal((await response.json()).status, 'accepted');
  }
});
