// A receipt as somebody checks it who has nothing of ours: Node's own crypto, the published keys, and RFC 7515.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { test } from 'node:test';
import OpenAI from 'openai';

const url = process.env.TOLLGATE_TEST_URL;
const apiKey = process.env.TOLLGATE_TEST_KEY;
const openai = new OpenAI({ baseURL: `${url}/v1`, apiKey, maxRetries: 0 });
const get = (path) => fetch(url + path, { headers: { authorization: `Bearer ${apiKey}` } });

const bought = async () => {
  const { response } = await openai.chat.completions.create({ model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'hello' }] }).withResponse();
  const call = response.headers.get('x-tollgate-call');
  return { call, charge: response.headers.get('x-credits-charged'), line: await (await get(`/api/v1/calls/${call}/receipt`)).text() };
};

const verified = async (line) => {
  const [header, payload, signature] = line.split('.');
  const { alg, kid } = JSON.parse(Buffer.from(header, 'base64url'));
  assert.equal(alg, 'EdDSA');
  const { keys } = await (await fetch(`${url}/.well-known/jwks.json`)).json();
  const key = crypto.createPublicKey({ key: keys.find((k) => k.kid === kid), format: 'jwk' });
  return crypto.verify(null, Buffer.from(`${header}.${payload}`), key, Buffer.from(signature, 'base64url'))
    ? JSON.parse(Buffer.from(payload, 'base64url')) : null;
};

test('a receipt verifies, and says what the call cost', async () => {
  const { call, charge, line } = await bought();
  const receipt = await verified(line);
  assert.equal(receipt.call, call);
  assert.equal(receipt.charge, charge);
});

test('an altered one does not', async () => {
  const { line } = await bought();
  const [header, payload, signature] = line.split('.');
  const free = Buffer.from(JSON.stringify({ ...JSON.parse(Buffer.from(payload, 'base64url')), charge: '0' })).toString('base64url');
  assert.equal(await verified(`${header}.${free}.${signature}`), null);
});

test('a key is named by its thumbprint, and the set holds public halves only', async () => {
  const { keys } = await (await fetch(`${url}/.well-known/jwks.json`)).json();
  for (const { kty, crv, x, kid, ...more } of keys) {
    assert.equal(kid, crypto.createHash('sha256').update(JSON.stringify({ crv, kty, x })).digest('base64url'));
    assert.deepEqual(more, { use: 'sig', alg: 'EdDSA' });
  }
});
