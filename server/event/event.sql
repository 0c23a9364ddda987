-- Ids take their time from the database's clock: of a random UUID the first six bytes become its milliseconds, and its version 7.
-- name: event_add
INSERT INTO outbox (id, customer_id, type, data, request_id, idempotency_key)
SELECT encode(set_byte(overlay(uuid_send(gen_random_uuid())
                               PLACING substring(int8send(floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3) FROM 1 FOR 6),
                       6, get_byte(uuid_send(gen_random_uuid()), 6) & 15 | 112), 'hex')::uuid,
       $1::uuid, $2::text, $3::text::json, $4::text, $5::text
FROM outbox_wanted WHERE anything AND (usage OR $2::text <> 'usage.settled')

-- name: event_forward
INSERT INTO outbox (id, customer_id, type, data, stripe_event)
SELECT encode(set_byte(overlay(uuid_send(gen_random_uuid())
                               PLACING substring(int8send(floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3) FROM 1 FOR 6),
                       6, get_byte(uuid_send(gen_random_uuid()), 6) & 15 | 112), 'hex')::uuid,
       $1::uuid, $2::text, '{}', $3::text
FROM outbox_wanted WHERE forwards

-- name: event_wanted
SELECT anything FROM outbox_wanted
