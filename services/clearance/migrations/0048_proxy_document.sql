-- The document that a proxy presented, as a keyed hash: with the key, which is not here, a number can be compared.
ALTER TABLE issue
    ADD COLUMN document_key text,
    ADD COLUMN document_hash text CHECK (document_hash ~ '^[0-9a-f]{64}$'),
    ADD CHECK ((document_key IS NULL) = (document_hash IS NULL)),
    ADD CHECK (document_key IS NULL OR issued_to = 'proxy');

CREATE VIEW published.issue_document_v1 AS
SELECT form_number, issue.number, issue.command_id, document_key, document_hash
FROM issue JOIN submission AS form USING (attempt_id)
WHERE document_key IS NOT NULL;

GRANT SELECT ON published.issue_document_v1 TO lixiao_reader;
