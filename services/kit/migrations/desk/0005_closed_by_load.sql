-- The covering load that closed a question: once it is withdrawn, the question is open again.
ALTER TABLE open_question ADD COLUMN closed_load uuid REFERENCES covering_load;
CREATE INDEX open_question_of_load ON open_question (closed_load) WHERE closed_load IS NOT NULL;
