-- name: worker_take
SELECT id, type, livemode, created, body, thin, attempts, coalesce(wants, '') FROM stripe_events
WHERE state = 1 AND due_at <= now() AND wants IS NULL
ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED

-- Leased to whoever asks: the call to Stripe is outside of any transaction.
-- name: worker_lease
UPDATE stripe_events SET due_at = now() + interval '2 minutes'
WHERE id = (SELECT id FROM stripe_events WHERE state = 1 AND due_at <= now() AND wants IS NOT NULL ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING id, wants, attempts

-- name: worker_take_one
SELECT id, type, livemode, created, body, thin, attempts, coalesce(wants, '') FROM stripe_events WHERE id = $1::text AND state = 1 FOR UPDATE

-- name: worker_done
UPDATE stripe_events SET state = $2::smallint, reason = $3::text, done_at = now(), wants = NULL WHERE id = $1::text

-- name: worker_wants
UPDATE stripe_events SET wants = $2::text, due_at = now() WHERE id = $1::text

-- Twice as long each time, an hour at most.
-- name: worker_again
UPDATE stripe_events SET attempts = attempts + 1, reason = $2::text, due_at = now() + least(power(2, least(attempts, 12)), 3600) * interval '1 second'
WHERE id = $1::text AND state = 1

-- name: worker_twin
SELECT EXISTS (SELECT FROM stripe_events WHERE id = $1::text)

-- name: worker_save
SAVEPOINT said

-- name: worker_back
ROLLBACK TO SAVEPOINT said
