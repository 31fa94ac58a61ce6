-- What Citus documents of its tables, as functions that refuse what it would refuse. They spread nothing.
CREATE TABLE spread (name regclass PRIMARY KEY, by_column text, beside regclass);

CREATE FUNCTION create_reference_table(name regclass) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM pg_constraint f WHERE f.contype = 'f' AND f.conrelid = name AND NOT EXISTS (
            SELECT 1 FROM spread s WHERE s.name = f.confrelid AND s.by_column IS NULL)) THEN
        RAISE EXCEPTION '% is whole on every node and refers to what is not', name;
    END IF;
    INSERT INTO spread VALUES (name, NULL, NULL);
END $$;

CREATE FUNCTION create_distributed_table(name regclass, by_column text, colocate_with text DEFAULT 'default')
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    number int2 := (SELECT attnum FROM pg_attribute WHERE attrelid = name AND attname = by_column);
    neighbour regclass := CASE WHEN colocate_with IN ('default', 'none') THEN name ELSE colocate_with::regclass END;
    law record;
    far record;
    place int;
BEGIN
    IF number IS NULL THEN
        RAISE EXCEPTION '% has no column %', name, by_column;
    END IF;
    IF neighbour <> name AND NOT EXISTS (SELECT 1 FROM spread s WHERE s.name = neighbour AND s.by_column IS NOT NULL) THEN
        RAISE EXCEPTION '% is not spread yet', neighbour;
    END IF;
    FOR law IN SELECT indexrelid::regclass AS index, indkey::int2[] AS keys FROM pg_index
        WHERE indrelid = name AND (indisunique OR indisexclusion) LOOP
        IF NOT number = ANY (law.keys) THEN
            RAISE EXCEPTION '% is unique without %', law.index, by_column;
        END IF;
    END LOOP;
    FOR law IN SELECT * FROM pg_constraint WHERE contype = 'f' AND conrelid = name LOOP
        SELECT * INTO far FROM spread s WHERE s.name = law.confrelid;
        IF NOT FOUND THEN
            RAISE EXCEPTION '% refers to %, which is on the coordinator', law.conname, law.confrelid::regclass;
        END IF;
        CONTINUE WHEN far.by_column IS NULL;
        place := array_position(law.conkey, number);
        IF far.beside <> (SELECT COALESCE((SELECT s.beside FROM spread s WHERE s.name = neighbour), name))
            OR place IS NULL OR law.confkey[place] <> (
                SELECT attnum FROM pg_attribute WHERE attrelid = law.confrelid AND attname = far.by_column) THEN
            RAISE EXCEPTION '% refers to rows of another node', law.conname;
        END IF;
        IF law.confdeltype IN ('n', 'd') OR law.confupdtype <> 'a' THEN
            RAISE EXCEPTION '% changes the column that spreads', law.conname;
        END IF;
    END LOOP;
    IF EXISTS (SELECT 1 FROM pg_trigger WHERE tgrelid = name AND NOT tgisinternal)
        AND COALESCE(current_setting('citus.enable_unsafe_triggers', TRUE), 'off') <> 'on' THEN
        RAISE EXCEPTION '% has triggers', name;
    END IF;
    IF EXISTS (SELECT 1 FROM pg_attribute WHERE attrelid = name AND attnum > 0 AND attidentity <> '') THEN
        RAISE EXCEPTION '% counts by itself', name;
    END IF;
    INSERT INTO spread VALUES (name, by_column, COALESCE((SELECT s.beside FROM spread s WHERE s.name = neighbour), name));
END $$;
