// The official Stripe client against the stand-in for Stripe: what its users write works, and what it verifies and raises is right.
import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, test } from 'node:test';
import Stripe from 'stripe';

const url = new URL(process.env.TOLLGATE_TEST_STRIPE_URL);
const client = (key = 'sk_test_sdk', more = {}) =>
  new Stripe(key, { host: url.hostname, port: url.port, protocol: 'http', maxNetworkRetries: 0, telemetry: false, ...more });
const stripe = client();
const { errors } = Stripe;

// The stand-in's own calls, and a receiver of webhooks.
const fake = async (method, path, body) => {
  const answer = await fetch(`${url.origin}/_fake${path}`, { method, body: body && JSON.stringify(body) });
  const json = await answer.json();
  assert.ok(answer.ok, JSON.stringify(json));
  return json;
};
const posts = [];
const receiver = http.createServer((request, response) => {
  const parts = [];
  request.on('data', (part) => parts.push(part));
  request.on('end', () => {
    posts.push({ body: Buffer.concat(parts), signature: request.headers['stripe-signature'], path: request.url });
    response.end();
  });
});
const received = async (path, count = 1) => {
  await fake('POST', '/quiet', { timeout: 30 });
  const found = posts.filter((post) => post.path === path);
  assert.ok(found.length >= count, `${found.length} posts to ${path}`);
  return found;
};
const receives = (path) => `http://127.0.0.1:${receiver.address().port}${path}`;
before(() => new Promise((ready) => receiver.listen(0, '127.0.0.1', ready)));
after(() => receiver.close());

const credits = [{ quantity: 1, price_data: { currency: 'usd', unit_amount: 2000, product_data: { name: '20 USD of credits' } } }];
const success_url = 'https://example.com/ok?cs={CHECKOUT_SESSION_ID}';
const newCustomer = (more = {}) => stripe.customers.create({ email: 'a+b@example.com', metadata: { account_id: 'acct_1' }, ...more });
const buy = async (customer, card = 'visa', more = {}) => {
  const session = await stripe.checkout.sessions.create({ mode: 'payment', customer: customer.id, success_url, line_items: credits, ...more });
  return fake('POST', `/sessions/${session.id}/complete`, { card });
};
const topUp = (customer, method, options, more = {}) =>
  stripe.paymentIntents.create(
    { amount: 2000, currency: 'usd', customer: customer.id, payment_method: method, off_session: true, confirm: true, metadata: { kind: 'auto_topup' }, ...more },
    options,
  );
const newPrice = async (unit_amount = 5000) => {
  const product = await stripe.products.create({ name: 'Pro' });
  return stripe.prices.create({ product: product.id, currency: 'usd', unit_amount, recurring: { interval: 'month' } });
};

test('customers: created, changed, cleared, listed, deleted', async () => {
  const made = await newCustomer({ name: 'Zoë & co' });
  assert.equal(made.email, 'a+b@example.com');
  assert.equal((await stripe.customers.update(made.id, { metadata: { account_id: '', other: '1' }, name: '' })).name, null);
  const again = await stripe.customers.retrieve(made.id);
  assert.deepEqual(again.metadata, { other: '1' });
  assert.ok((await stripe.customers.list({ email: 'a+b@example.com', limit: 100 })).data.some((c) => c.id === made.id));
  assert.equal((await stripe.customers.del(made.id)).deleted, true);
  assert.equal((await stripe.customers.retrieve(made.id)).deleted, true);
});

test('credits are bought through Checkout', async () => {
  const customer = await newCustomer();
  const session = await stripe.checkout.sessions.create({
    mode: 'payment', customer: customer.id, client_reference_id: 'acct_1', success_url, cancel_url: 'https://example.com/no', line_items: credits,
    metadata: { order_id: 'o1' }, payment_intent_data: { metadata: { order_id: 'o1', kind: 'credit_purchase' }, setup_future_usage: 'off_session' },
    expires_at: Math.floor(Date.now() / 1000) + 1800,
  });
  assert.match(session.id, /^cs_test_/);
  assert.ok((await fetch(session.url)).ok);
  await fake('POST', `/sessions/${session.id}/complete`, {});
  const done = await stripe.checkout.sessions.retrieve(session.id, { expand: ['payment_intent.latest_charge', 'line_items'] });
  assert.equal(done.payment_status, 'paid');
  assert.deepEqual(done.payment_intent.metadata, { order_id: 'o1', kind: 'credit_purchase' });
  assert.equal(done.payment_intent.latest_charge.amount_captured, 2000);
  assert.equal(done.line_items.data[0].description, '20 USD of credits');
  const expired = await stripe.checkout.sessions.expire((await stripe.checkout.sessions.create({ mode: 'payment', success_url, line_items: credits })).id);
  assert.equal(expired.status, 'expired');
});

test('a card is saved, and a top-up is charged to it', async () => {
  const customer = await newCustomer();
  const session = await stripe.checkout.sessions.create({ mode: 'setup', currency: 'usd', customer: customer.id, success_url, setup_intent_data: { metadata: { a: '1' } } });
  await fake('POST', `/sessions/${session.id}/complete`, { card: 'auth_on_setup' });
  const { setup_intent } = await stripe.checkout.sessions.retrieve(session.id, { expand: ['setup_intent'] });
  const intent = await topUp(customer, setup_intent.payment_method, { idempotencyKey: 'atu:1:1' }, { expand: ['latest_charge'] });
  assert.equal(intent.status, 'succeeded');
  assert.equal(intent.latest_charge.payment_method_details.card.last4, '3155');
  assert.equal((await stripe.paymentMethods.list({ customer: customer.id })).data.length, 1);
  assert.equal((await stripe.paymentMethods.detach(setup_intent.payment_method)).customer, null);
});

test('refused top-ups are StripeCardErrors that say why, with the intent', async () => {
  const customer = await newCustomer();
  const cases = [
    ['pm_card_visa_chargeDeclinedInsufficientFunds', 'card_declined', 'insufficient_funds', 'try_again_later'],
    ['pm_card_visa_chargeDeclinedLostCard', 'card_declined', 'lost_card', 'do_not_try_again'],
    ['pm_card_chargeDeclinedIncorrectCvc', 'incorrect_cvc', undefined, 'confirm_card_data'],
    ['pm_card_authenticationRequired', 'authentication_required', 'authentication_required', undefined],
  ];
  for (const [method, code, decline_code, advice_code] of cases) {
    await assert.rejects(topUp(customer, method), (e) => {
      assert.ok(e instanceof errors.StripeCardError);
      assert.deepEqual([e.statusCode, e.code, e.raw.decline_code, e.raw.advice_code], [402, code, decline_code, advice_code]);
      assert.equal(e.payment_intent.status, 'requires_payment_method');
      assert.equal(e.payment_intent.last_payment_error.code, code);
      assert.match(e.requestId, /^req_/);
      return true;
    });
  }
  assert.equal((await topUp(customer, 'pm_usBankAccount_success')).status, 'processing');
});

test('refunds in parts, read back page by page', async () => {
  const session = await buy(await newCustomer());
  for (const amount of [500, 700, 800]) {
    assert.equal((await stripe.refunds.create({ payment_intent: session.payment_intent, amount, reason: 'requested_by_customer' })).status, 'succeeded');
  }
  const amounts = [];
  for await (const refund of stripe.refunds.list({ payment_intent: session.payment_intent, limit: 1 })) amounts.push(refund.amount);
  assert.deepEqual(amounts, [800, 700, 500]);
  await assert.rejects(stripe.refunds.create({ payment_intent: session.payment_intent }), (e) => {
    assert.ok(e instanceof errors.StripeInvalidRequestError);
    assert.equal(e.code, 'charge_already_refunded');
    return true;
  });
});

test('a dispute is answered and won', async () => {
  const session = await buy(await newCustomer(), 'dispute');
  const { data } = await stripe.disputes.list({ payment_intent: session.payment_intent });
  const dispute = await stripe.disputes.update(data[0].id, { evidence: { uncategorized_text: 'winning_evidence' }, submit: true });
  assert.equal(dispute.status, 'won');
  assert.deepEqual((await stripe.disputes.retrieve(dispute.id)).balance_transactions.map((t) => Math.sign(t.amount)), [-1, 1]);
});

test('a plan: subscribed, renewed, changed, cancelled; its invoice is found from its payment', async () => {
  const customer = await newCustomer();
  const [plan, bigger] = [await newPrice(), await newPrice(20000)];
  const session = await stripe.checkout.sessions.create({
    mode: 'subscription', customer: customer.id, success_url, line_items: [{ price: plan.id, quantity: 1 }], subscription_data: { metadata: { account_id: 'acct_1' } },
  });
  const { subscription } = await fake('POST', `/sessions/${session.id}/complete`, {});
  let made = await stripe.subscriptions.retrieve(subscription, { expand: ['latest_invoice.payments'] });
  const paid = made.latest_invoice.payments.data[0].payment.payment_intent;
  const found = await stripe.invoicePayments.list({ payment: { type: 'payment_intent', payment_intent: paid } });
  assert.equal(found.data[0].invoice, made.latest_invoice.id);
  assert.equal(made.latest_invoice.lines.data[0].quantity_decimal.toString(), '1');
  await fake('POST', `/subscriptions/${subscription}/renew`, {});
  assert.equal((await stripe.invoices.list({ subscription })).data[0].billing_reason, 'subscription_cycle');
  made = await stripe.subscriptions.update(subscription, { items: [{ id: made.items.data[0].id, price: bigger.id }], proration_behavior: 'always_invoice' });
  const lines = await stripe.invoices.listLineItems(made.latest_invoice);
  assert.deepEqual(lines.data.map((l) => l.parent.subscription_item_details.proration), [true, true]);
  assert.ok((await stripe.subscriptions.update(subscription, { cancel_at_period_end: true })).cancel_at);
  assert.equal((await stripe.subscriptions.cancel(subscription)).status, 'canceled');
});

test('an invoice of its own, the portal, products and prices', async () => {
  const customer = await newCustomer();
  const invoice = await stripe.invoices.create({ customer: customer.id, collection_method: 'charge_automatically', auto_advance: true });
  await stripe.invoiceItems.create({ customer: customer.id, invoice: invoice.id, amount: 2000, currency: 'usd', description: 'Top-up' });
  assert.equal((await stripe.invoices.pay(invoice.id, { payment_method: 'pm_card_visa' })).status, 'paid');
  const portal = await stripe.billingPortal.sessions.create({ customer: customer.id, return_url: 'https://example.com/' });
  assert.match(await (await fetch(portal.url)).text(), /stand-in for Stripe/);
  const price = await newPrice();
  assert.equal((await stripe.prices.retrieve(price.id, { expand: ['product'] })).product.name, 'Pro');
  assert.equal((await stripe.products.update(price.product, { name: 'Pro 2' })).name, 'Pro 2');
  assert.ok((await stripe.prices.list({ product: price.product })).data.length === 1);
});

test('meter events over both APIs, and their sums', async () => {
  const customer = await newCustomer();
  const meter = await stripe.billing.meters.create({ display_name: 'Tokens', event_name: 'sdk_tokens', default_aggregation: { formula: 'sum' } });
  const payload = { stripe_customer_id: customer.id, value: '25' };
  const now = Math.floor(Date.now() / 1000);
  await stripe.billing.meterEvents.create({ event_name: 'sdk_tokens', payload, identifier: 'ev-1', timestamp: now });
  await assert.rejects(stripe.billing.meterEvents.create({ event_name: 'sdk_tokens', payload, identifier: 'ev-1' }), errors.StripeInvalidRequestError);
  await stripe.v2.billing.meterEvents.create({ event_name: 'sdk_tokens', payload, identifier: 'ev-2', timestamp: new Date().toISOString() });
  const session = await stripe.v2.billing.meterEventSession.create();
  await client(session.authentication_token).v2.billing.meterEventStream.create({ events: [{ event_name: 'sdk_tokens', payload }, { event_name: 'sdk_tokens', payload }] });
  const at = Math.floor(now / 60) * 60;
  const sums = await stripe.billing.meters.listEventSummaries(meter.id, { customer: customer.id, start_time: at - 3600, end_time: at + 3600 });
  assert.equal(sums.data[0].aggregated_value, 100);
  await stripe.billing.meterEventAdjustments.create({ event_name: 'sdk_tokens', type: 'cancel', cancel: { identifier: 'ev-1' } });
  const grant = await stripe.billing.creditGrants.create({
    customer: customer.id, category: 'paid', amount: { type: 'monetary', monetary: { value: 1000, currency: 'usd' } }, applicability_config: { scope: { price_type: 'metered' } },
  });
  assert.equal(grant.amount.monetary.value, 1000);
});

// Keys, faults and errors

test('a key gives its first answer again, and refuses other parameters', async () => {
  const options = { idempotencyKey: 'cust:again' };
  const made = await stripe.customers.create({ name: 'x' }, options);
  const again = await stripe.customers.create({ name: 'x' }, options);
  assert.equal(again.id, made.id);
  assert.equal(again.lastResponse.headers['idempotent-replayed'], 'true');
  assert.equal(again.lastResponse.headers['original-request'], made.lastResponse.requestId);
  assert.equal(again.lastResponse.idempotencyKey, 'cust:again');
  await assert.rejects(stripe.customers.create({ name: 'y' }, options), errors.StripeIdempotencyError);
});

test('a refused card is given again under its key', async () => {
  const customer = await newCustomer();
  const refused = async () => topUp(customer, 'pm_card_visa_chargeDeclined', { idempotencyKey: 'atu:refused' }).then(assert.fail, (e) => e);
  const [first, again] = [await refused(), await refused()];
  assert.ok(again instanceof errors.StripeCardError);
  assert.equal(again.payment_intent.id, first.payment_intent.id);
  assert.equal(again.headers['idempotent-replayed'], 'true');
});

test('each status is the error that the client makes of it', async () => {
  const raised = async (kind, rule, status) => {
    await fake('POST', '/faults', { kind: 'status', path: '/v1/products', times: 1, ...rule });
    await assert.rejects(stripe.products.create({ name: 'x' }), (e) => {
      assert.ok(e instanceof kind, `${e.constructor.name} for ${JSON.stringify(rule)}`);
      assert.equal(e.statusCode, status);
      return true;
    });
  };
  await raised(errors.StripeRateLimitError, { status: 429, reason: 'global-rate' }, 429);
  await raised(errors.StripeRateLimitError, { status: 429 }, 429);
  await raised(errors.StripeAPIError, { status: 500 }, 500);
  await raised(errors.StripeAPIError, { status: 503 }, 503);
  await raised(errors.StripeAPIError, { status: 409 }, 409);
  await assert.rejects(client('sk_test_!').products.list(), errors.StripeAuthenticationError);
  await fake('POST', '/keys', { key: 'rk_test_little', state: 'restricted' });
  await assert.rejects(client('rk_test_little').products.list(), errors.StripePermissionError);
  await assert.rejects(stripe.products.create({}), (e) => e instanceof errors.StripeInvalidRequestError && e.code === 'parameter_missing' && e.param === 'name');
  await assert.rejects(stripe.products.retrieve('prod_none'), (e) => e instanceof errors.StripeInvalidRequestError && e.code === 'resource_missing' && e.statusCode === 404);
});

test('the client tries again by itself and pays once', async () => {
  const trying = client('sk_test_sdk', { maxNetworkRetries: 2, timeout: 1500 });
  const customer = await newCustomer();
  const faults = [
    { kind: 'reset', when: 'before' }, { kind: 'reset', when: 'after' }, { kind: 'timeout', when: 'after' }, { kind: 'timeout', when: 'before' },
    { kind: 'status', status: 409 }, { kind: 'status', status: 429, should_retry: true }, { kind: 'status', status: 500, kept: false },
  ];
  for (const [number, fault] of faults.entries()) {
    await fake('POST', '/faults', { path: '/v1/payment_intents', times: 1, ...fault });
    const intent = await trying.paymentIntents.create(
      { amount: 2000, currency: 'usd', customer: customer.id, payment_method: 'pm_card_visa', off_session: true, confirm: true, metadata: { number: String(number) } },
      { idempotencyKey: `atu:faults:${number}` },
    );
    assert.equal(intent.status, 'succeeded', JSON.stringify(fault));
  }
  const made = (await stripe.paymentIntents.list({ customer: customer.id, limit: 100 })).data;
  assert.deepEqual(made.map((i) => i.metadata.number), faults.map((_, number) => String(faults.length - 1 - number)));
});

test('it does not try again where Stripe-Should-Retry says no', async () => {
  await fake('POST', '/faults', { kind: 'status', status: 500, should_retry: false, path: '/v1/products', times: 1 });
  await assert.rejects(client('sk_test_sdk', { maxNetworkRetries: 2 }).products.create({ name: 'x' }), errors.StripeAPIError);
});

// Webhooks

test('snapshot events pass constructEvent, with the old secret and the new one while it is rolled', async () => {
  const endpoint = await stripe.webhookEndpoints.create({ url: receives('/snapshot'), enabled_events: ['*'], api_version: '2026-09-30.endive' });
  await buy(await newCustomer({ name: 'Zoë' }));
  await fake('POST', `/endpoints/${endpoint.id}/secrets`, { secrets: ['whsec_new', endpoint.secret] });
  await buy(await newCustomer());
  const seen = (await received('/snapshot', 10)).map(({ body, signature }) => stripe.webhooks.constructEvent(body, signature, endpoint.secret));
  assert.ok(seen.some((e) => e.type === 'checkout.session.completed' && e.data.object.payment_status === 'paid'));
  assert.ok(seen.every((e) => e.object === 'event' && e.api_version === '2026-09-30.endive' && e.livemode === false));
  const latest = posts.filter((post) => post.path === '/snapshot').at(-1);
  assert.equal(stripe.webhooks.constructEvent(latest.body, latest.signature, 'whsec_new').id, seen.at(-1).id);
  assert.throws(() => stripe.webhooks.constructEvent(latest.body, latest.signature, 'whsec_other'), errors.StripeSignatureVerificationError);
  assert.throws(() => stripe.webhooks.constructEvent(Buffer.concat([latest.body, Buffer.from(' ')]), latest.signature, 'whsec_new'), errors.StripeSignatureVerificationError);
  await stripe.webhookEndpoints.del(endpoint.id);
});

test('a signature from long ago is refused', async () => {
  const endpoint = await stripe.webhookEndpoints.create({ url: receives('/old'), enabled_events: ['customer.created'] });
  await fake('POST', '/webhooks', { signed_ahead: -301 });
  await newCustomer();
  const [post] = await received('/old');
  await fake('POST', '/webhooks', { signed_ahead: 0 });
  assert.throws(() => stripe.webhooks.constructEvent(post.body, post.signature, endpoint.secret), /Timestamp outside the tolerance zone/);
  await stripe.webhookEndpoints.del(endpoint.id);
});

test('thin events pass parseEventNotification, and lead to the event and the object', async () => {
  const destination = await stripe.v2.core.eventDestinations.create({
    name: 'thin', type: 'webhook_endpoint', event_payload: 'thin', enabled_events: ['v1.refund.created'], webhook_endpoint: { url: receives('/thin') },
    include: ['webhook_endpoint.signing_secret'],
  });
  const session = await buy(await newCustomer());
  const refund = await stripe.refunds.create({ payment_intent: session.payment_intent }, { idempotencyKey: 'refund:thin' });
  const [post] = await received('/thin');
  const notice = stripe.parseEventNotification(post.body.toString(), post.signature, destination.webhook_endpoint.signing_secret);
  assert.equal(notice.type, 'v1.refund.created');
  assert.equal(notice.reason.request.idempotency_key, 'refund:thin');
  assert.equal((await notice.fetchRelatedObject()).id, refund.id);
  assert.equal((await notice.fetchEvent()).id, notice.id);
  assert.equal((await stripe.events.retrieve(notice.snapshot_event)).data.object.id, refund.id);
  assert.throws(() => stripe.webhooks.constructEvent(post.body, post.signature, destination.webhook_endpoint.signing_secret));
  await stripe.v2.core.eventDestinations.del(destination.id);
});

test('what was not delivered is found, and read on from an event', async () => {
  const endpoint = await stripe.webhookEndpoints.create({ url: receives('/held'), enabled_events: ['customer.created'] });
  const first = await newCustomer();
  const [seen] = (await stripe.events.list({ types: ['customer.created'], limit: 1 })).data;
  assert.equal(seen.data.object.id, first.id);
  await received('/held');
  await fake('POST', '/webhooks', { mode: 'hold' });
  const missed = [await newCustomer(), await newCustomer()];
  const listed = await stripe.events.list({ delivery_success: false, types: ['customer.created'], ending_before: seen.id, limit: 100 });
  assert.deepEqual(listed.data.map((e) => e.data.object.id), [missed[1].id, missed[0].id]);
  await fake('POST', '/release', {});
  await received('/held', 3);
  assert.equal((await stripe.events.list({ delivery_success: false, types: ['customer.created'], ending_before: seen.id })).data.length, 0);
  await stripe.webhookEndpoints.del(endpoint.id);
});
