-- A hold is found by its id alone, as a call is: its last four bytes are its customer's.

-- name: held_open
SELECT h.customer_id, h.key_id, h.price_id, h.amount, h.expires_at, h.about
FROM customers k JOIN holds h ON h.customer_id = k.id AND h.call_id = $1::uuid
WHERE substring(uuid_send(k.id) FROM 13 FOR 4) = substring(uuid_send($1::uuid) FROM 13 FOR 4)
  AND ($2::uuid IS NULL OR k.id = $2::uuid) AND h.expires_at IS NOT NULL

-- name: held_ended
SELECT c.customer_id, c.key_id, c.price_id, c.state, c.flags, c.charge, e.admission, c.usage, e.evidence ->> 'model'
FROM customers k
JOIN calls c ON c.customer_id = k.id AND c.id = $1::uuid
LEFT JOIN call_evidence e ON e.customer_id = c.customer_id AND e.call_id = c.id AND e.revision = c.revision
WHERE substring(uuid_send(k.id) FROM 13 FOR 4) = substring(uuid_send($1::uuid) FROM 13 FOR 4)
  AND ($2::uuid IS NULL OR k.id = $2::uuid)
ORDER BY c.customer_id, c.revision

-- name: held_parts
SELECT p.part_id, sum(c.charge)::bigint, (array_agg(c.state ORDER BY c.revision DESC))[1], coalesce(bit_or(c.flags) FILTER (WHERE c.state IN (2, 5) AND c.flags & 512 = 0), 0),
       count(*) OVER (), (sum(sum(c.charge)) OVER ())::bigint
FROM hold_parts p JOIN calls c ON c.customer_id = p.customer_id AND c.id = p.part_id
WHERE p.customer_id = $1::uuid AND p.hold_id = $2::uuid
GROUP BY p.part_id ORDER BY p.part_id DESC LIMIT $3::bigint

-- name: held_list
SELECT h.call_id, h.key_id, h.price_id, h.amount, h.expires_at, h.about,
       CASE WHEN h.parted THEN (SELECT coalesce(sum(c.charge), 0)::bigint FROM hold_parts p JOIN calls c ON c.customer_id = p.customer_id AND c.id = p.part_id
                                WHERE p.customer_id = h.customer_id AND p.hold_id = h.call_id) ELSE 0 END
FROM holds h
WHERE h.customer_id = $1::uuid AND h.expires_at IS NOT NULL AND h.call_id < coalesce($2::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
ORDER BY h.call_id DESC LIMIT $3::bigint
