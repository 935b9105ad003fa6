BEGIN TRANSACTION;
CREATE TABLE api_keys (
	id VARCHAR(32) NOT NULL, 
	digest BLOB NOT NULL, 
	organization_id VARCHAR(128) NOT NULL, 
	name VARCHAR(200) NOT NULL, 
	scopes JSON NOT NULL, 
	created BIGINT NOT NULL, 
	expires BIGINT, 
	revoked BIGINT, 
	revision BIGINT NOT NULL, 
	CONSTRAINT pk_api_keys PRIMARY KEY (id), 
	CONSTRAINT fk_api_keys_organization_id_organizations FOREIGN KEY(organization_id) REFERENCES organizations (id), 
	CONSTRAINT fk_api_keys_revision_revisions FOREIGN KEY(revision) REFERENCES revisions (number)
);
INSERT INTO "api_keys" VALUES('k1',X'7878787878787878787878787878787878787878787878787878787878787878','acme','n','["models:read"]',5,NULL,NULL,3);
CREATE TABLE head (
	id INTEGER NOT NULL, 
	revision BIGINT NOT NULL, 
	CONSTRAINT pk_head PRIMARY KEY (id), 
	CONSTRAINT ck_head_single CHECK (id = 1)
);
INSERT INTO "head" VALUES(1,3);
CREATE TABLE models (
	id VARCHAR(36) NOT NULL, 
	name VARCHAR(256) NOT NULL, 
	display_name TEXT NOT NULL, 
	provider VARCHAR(256) NOT NULL, 
	created BIGINT NOT NULL, 
	updated BIGINT NOT NULL, 
	position BIGINT NOT NULL, 
	permission_id TEXT, 
	description TEXT, 
	enabled BOOLEAN NOT NULL, 
	context_window BIGINT NOT NULL, 
	max_tokens BIGINT, 
	max_tokens_per_request BIGINT, 
	cost_per_1k_tokens FLOAT, 
	credit_multiplier BIGINT, 
	capabilities JSON NOT NULL, 
	compliance JSON NOT NULL, 
	encryption_supported BOOLEAN NOT NULL, 
	pii_redaction_supported BOOLEAN NOT NULL, 
	supports_streaming BOOLEAN NOT NULL, 
	supports_tools BOOLEAN NOT NULL, 
	metadata TEXT NOT NULL, 
	system_prompt TEXT, 
	system_prompt_id VARCHAR(36), 
	revision BIGINT NOT NULL, 
	CONSTRAINT pk_models PRIMARY KEY (id), 
	CONSTRAINT uq_models_name UNIQUE (name), 
	CONSTRAINT uq_models_position UNIQUE (position), 
	CONSTRAINT fk_models_revision_revisions FOREIGN KEY(revision) REFERENCES revisions (number)
);
INSERT INTO "models" VALUES('e38ea139-91b4-42cf-9dee-af2d75d437e1','gpt-x','X','p',1795335687,1795335687,1,NULL,NULL,1,0,NULL,NULL,NULL,NULL,'["text"]','[]',0,0,0,0,'{"a":1}',NULL,NULL,2);
CREATE TABLE modelservice_schema (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT modelservice_schema_pkc PRIMARY KEY (version_num)
);
INSERT INTO "modelservice_schema" VALUES('0001');
CREATE TABLE organizations (
	id VARCHAR(128) NOT NULL, 
	created BIGINT NOT NULL, 
	revision BIGINT NOT NULL, 
	CONSTRAINT pk_organizations PRIMARY KEY (id), 
	CONSTRAINT fk_organizations_revision_revisions FOREIGN KEY(revision) REFERENCES revisions (number)
);
INSERT INTO "organizations" VALUES('acme',1795335687,1);
CREATE TABLE revisions (
	number BIGINT NOT NULL, 
	token VARCHAR(32) NOT NULL, 
	created BIGINT NOT NULL, 
	CONSTRAINT pk_revisions PRIMARY KEY (number)
);
INSERT INTO "revisions" VALUES(1,'9dfe3443b4f2cdf4eb6611d25bac5195',1795335687);
INSERT INTO "revisions" VALUES(2,'60dcdbacfc23999ce8f75a8d13bdb2a5',1795335687);
INSERT INTO "revisions" VALUES(3,'08c36cb6911a0036bdaa6d614fd95ff8',5);
CREATE INDEX ix_organizations_revision ON organizations (revision);
CREATE INDEX ix_api_keys_organization_id ON api_keys (organization_id);
CREATE INDEX ix_api_keys_revision ON api_keys (revision);
CREATE INDEX ix_models_revision ON models (revision);
COMMIT;
