// The official OpenAI client against the gateway: only baseURL and apiKey differ from what its users write.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import OpenAI, { APIError, AuthenticationError, InternalServerError, NotFoundError, RateLimitError, BadRequestError } from 'openai';

const url = process.env.TOLLGATE_TEST_URL;
const client = (apiKey = process.env.TOLLGATE_TEST_KEY, more = {}) => new OpenAI({ baseURL: `${url}/v1`, apiKey, maxRetries: 0, ...more });
const openai = client();
const messages = [{ role: 'user', content: 'Say something about toll bridges, please.' }];
const model = 'gpt-4o-mini';

const operator = async (path) => (await fetch(url + path, { headers: { authorization: `Bearer ${process.env.TOLLGATE_TEST_ADMIN_KEY}` } })).json();
const ended = async (id) => {
  for (let i = 0; i < 200; i++) {
    const call = await operator(`/api/v1/calls/${id}`);
    if (call.state && call.state !== 'pending') return call;
    await new Promise((r) => setTimeout(r, 50));
  }
  throw new Error(`${id} did not end`);
};

test('a plain completion', async () => {
  const { data, response } = await openai.chat.completions.create({ model, messages }).withResponse();
  assert.ok(data.choices[0].message.content.length > 0);
  const call = await ended(response.headers.get('x-tollgate-call'));
  assert.equal(call.usage.input_tokens, data.usage.prompt_tokens);
  assert.equal(call.usage.output_tokens, data.usage.completion_tokens);
  assert.equal(response.headers.get('x-credits-charged'), call.charge);
  assert.ok(data._request_id.startsWith('req_'));
});

test('a stream without usage: every chunk has a choice, and it is charged all the same', async () => {
  const { data: stream, response } = await openai.chat.completions.create({ model, messages, stream: true }).withResponse();
  let text = '';
  for await (const chunk of stream) {
    text += chunk.choices[0].delta.content ?? '';
    assert.ok(!chunk.usage);
  }
  assert.ok(text.length > 0);
  const call = await ended(response.headers.get('x-tollgate-call'));
  assert.equal(call.state, 'settled');
  assert.ok(call.usage.output_tokens > 0 && !call.flags.includes('estimated'));
});

test('a stream with usage: the last chunk tells it', async () => {
  const stream = await openai.chat.completions.create({ model, messages, stream: true, stream_options: { include_usage: true } });
  let last;
  for await (const chunk of stream) last = chunk;
  assert.deepEqual(last.choices, []);
  assert.ok(last.usage.total_tokens > 0);
});

test('embeddings, as floats and by the library default', async () => {
  const answer = await openai.embeddings.create({ model: 'text-embedding-3-small', input: ['one', 'two words'] });
  assert.equal(answer.data.length, 2);
  assert.equal(typeof answer.data[0].embedding[0], 'number');
  assert.ok(answer.usage.prompt_tokens > 0);
});

test('tools', async () => {
  const tools = [{ type: 'function', function: { name: 'get_weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } } }];
  const ask = [{ role: 'user', content: 'What is the weather in Lisbon?' }];
  const answer = await openai.chat.completions.create({ model, messages: ask, tools });
  assert.equal(answer.choices[0].finish_reason, 'tool_calls');
  assert.equal(answer.choices[0].message.tool_calls[0].function.name, 'get_weather');
  JSON.parse(answer.choices[0].message.tool_calls[0].function.arguments);
});

test('models', async () => {
  const ids = [];
  for await (const m of openai.models.list()) ids.push(m.id);
  assert.ok(ids.includes(model));
});

test('an abort mid-stream cancels upstream and charges what was generated', async () => {
  const { data: stream, response } = await openai.chat.completions
    .create({ model: 'stand-in:slow-50', messages: [{ role: 'user', content: 'word '.repeat(200) }], stream: true })
    .withResponse();
  let chunks = 0;
  for await (const _ of stream) if (++chunks === 4) break; // leaving the loop aborts the request
  const call = await ended(response.headers.get('x-tollgate-call'));
  assert.equal(call.state, 'settled');
  assert.ok(call.flags.includes('estimated') && call.flags.includes('partial'));
  assert.ok(call.usage.output_tokens > 0 && call.usage.output_tokens < 100);
});

test('a wrong key is an AuthenticationError', async () => {
  await assert.rejects(client('sk-wrong').chat.completions.create({ model, messages }), (e) => {
    assert.ok(e instanceof AuthenticationError);
    assert.equal(e.code, 'invalid_api_key');
    return true;
  });
});

test('no credits: an APIError with status 402 that is not tried again', async () => {
  let requests = 0;
  const counting = client(process.env.TOLLGATE_TEST_POOR_KEY, { maxRetries: 2, fetch: (...a) => (requests++, fetch(...a)) });
  await assert.rejects(counting.chat.completions.create({ model, messages, max_tokens: 4000 }), (e) => {
    assert.ok(e instanceof APIError);
    assert.equal(e.status, 402);
    assert.equal(e.code, 'insufficient_credits');
    assert.equal(e.type, 'billing_error');
    assert.ok(e.requestID.startsWith('req_'));
    return true;
  });
  assert.equal(requests, 1);
});

test('upstream 429 and 500 raise what they would raise without a gateway', async () => {
  await assert.rejects(openai.chat.completions.create({ model: 'stand-in:error-429', messages }), RateLimitError);
  await assert.rejects(openai.chat.completions.create({ model: 'stand-in:error-500', messages }), InternalServerError);
});

test('an unknown model is a NotFoundError, a bad request a BadRequestError', async () => {
  await assert.rejects(openai.chat.completions.create({ model: 'no-such-model', messages }), NotFoundError);
  await assert.rejects(openai.chat.completions.create({ model, messages, max_tokens: -1 }), BadRequestError);
});
