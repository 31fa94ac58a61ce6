-- name: load_home
-- The one row there is, once a server was started.
SELECT place, restored_to, held_us, reason FROM home;

-- name: insert_home
-- Of several servers that start at once the first moves in.
INSERT INTO home (only_one, place, restored_to) VALUES (1, $1, $2) ON CONFLICT (only_one) DO NOTHING;

-- name: move_home
-- The same house in another engine.
UPDATE home SET place = $1, restored_to = $2 WHERE only_one = 1;

-- name: hold_home
-- Whoever holds it first says why.
UPDATE home SET held_us = $1, reason = $2 WHERE only_one = 1 AND held_us IS NULL;

-- name: release_home
-- From now on this place is home.
UPDATE home SET place = $1, restored_to = $2, held_us = NULL, reason = NULL WHERE only_one = 1;
