-- The conversation of another scope whose requests an operator moves to this one, as long as it is kept.
ALTER TABLE conversation ADD COLUMN moved_from INTEGER REFERENCES conversation ON DELETE SET NULL;

CREATE INDEX conversation_moved ON conversation (moved_from) WHERE moved_from IS NOT NULL;
