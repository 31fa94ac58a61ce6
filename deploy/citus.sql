-- How the schema goes onto Citus: which tables are spread by merchant, which are whole on every node, which stay on the
-- coordinator. Run it once, as the owner, after `opengiro migrate` on a coordinator that has the extension.
-- See docs/operating/sharding.md for what was tried of this and what was not.

BEGIN;

-- Our triggers refuse what the law of the house forbids; they read no other merchant's rows.
SET LOCAL citus.enable_unsafe_triggers TO on;

-- Whole on every node: small, seldom written, joined or referred to by everybody.
SELECT create_reference_table('merchants');
SELECT create_reference_table('banks');

-- Spread by merchant, all side by side: whatever one merchant has is on one node.
SELECT create_distributed_table('settings', 'merchant_id');
SELECT create_distributed_table('audit', 'merchant_id', colocate_with => 'settings');
SELECT create_distributed_table('applications', 'merchant_id', colocate_with => 'settings');
SELECT create_distributed_table('tokens', 'merchant_id', colocate_with => 'settings');
SELECT create_distributed_table('refresh_tokens', 'merchant_id', colocate_with => 'settings');
SELECT create_distributed_table('idempotency_keys', 'merchant_id', colocate_with => 'settings');
SELECT create_distributed_table('terms_accepted', 'merchant_id', colocate_with => 'settings');
SELECT create_distributed_table('account_spaces', 'merchant_id', colocate_with => 'settings');
SELECT create_distributed_table('accounts', 'merchant_id', colocate_with => 'settings');
SELECT create_distributed_table('users', 'merchant_id', colocate_with => 'settings');
SELECT create_distributed_table('user_spaces', 'merchant_id', colocate_with => 'settings');
SELECT create_distributed_table('webhook_auths', 'merchant_id', colocate_with => 'settings');
SELECT create_distributed_table('webhooks', 'merchant_id', colocate_with => 'settings');
SELECT create_distributed_table('payments', 'merchant_id', colocate_with => 'settings');
SELECT create_distributed_table('instructions', 'merchant_id', colocate_with => 'settings');
SELECT create_distributed_table('moves', 'merchant_id', colocate_with => 'settings');
SELECT create_distributed_table('attempts', 'merchant_id', colocate_with => 'settings');
SELECT create_distributed_table('sessions', 'merchant_id', colocate_with => 'settings');
SELECT create_distributed_table('links', 'merchant_id', colocate_with => 'settings');
SELECT create_distributed_table('claims', 'merchant_id', colocate_with => 'settings');
SELECT create_distributed_table('schedules', 'merchant_id', colocate_with => 'settings');
SELECT create_distributed_table('occurrences', 'merchant_id', colocate_with => 'settings');
SELECT create_distributed_table('occurrence_moves', 'merchant_id', colocate_with => 'settings');
SELECT create_distributed_table('deliveries', 'merchant_id', colocate_with => 'settings');
SELECT create_distributed_table('delivery_tries', 'merchant_id', colocate_with => 'settings');

-- Directories, spread by what they are asked by: they are what leads to a merchant.
SELECT create_distributed_table('logins', 'username_index', colocate_with => 'none');
SELECT create_distributed_table('link_codes', 'code_index', colocate_with => 'none');
SELECT create_distributed_table('claim_codes', 'code_index', colocate_with => 'none');

-- Left where they are, on the coordinator: schema_migrations, house_keys, versions, duties, home. Nothing refers to
-- them, and no statement joins them with another table.

COMMIT;
