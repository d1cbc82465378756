-- Version 1 of a store of events.

CREATE TABLE events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, -- never given twice: a batch under way names its rows so
    uid TEXT NOT NULL,
    time TEXT NOT NULL,
    instant INTEGER, -- microseconds since 1970; NULL where the time is none
    tool TEXT NOT NULL,
    kind TEXT NOT NULL,
    consent TEXT NOT NULL,
    event BLOB NOT NULL,
    state TEXT NOT NULL DEFAULT 'pending',
    at TEXT, -- from here on: the answer that settled it
    destination TEXT,
    status INTEGER,
    answer TEXT
);
CREATE INDEX events_in_order ON events (state);

-- What is in each state, so that no command has to count; 150: see `_ROW_BYTES`. Who adds
-- events counts them in one statement: of a tracker's batch a trigger would take a third as long again.
CREATE TABLE totals (state TEXT PRIMARY KEY, events INTEGER, bytes INTEGER);
INSERT INTO totals VALUES ('pending', 0, 0), ('sent', 0, 0), ('rejected', 0, 0);
CREATE TRIGGER removed AFTER DELETE ON events BEGIN
    UPDATE totals SET events = events - 1,
        bytes = bytes - 150 - length(old.event) - coalesce(length(old.answer), 0)
    WHERE state = old.state; END;
CREATE TRIGGER left_a_state AFTER UPDATE ON events BEGIN
    UPDATE totals SET events = events - 1,
        bytes = bytes - 150 - length(old.event) - coalesce(length(old.answer), 0)
    WHERE state = old.state; END;
CREATE TRIGGER entered_a_state AFTER UPDATE ON events BEGIN
    UPDATE totals SET events = events + 1,
        bytes = bytes + 150 + length(new.event) + coalesce(length(new.answer), 0)
    WHERE state = new.state; END;

CREATE TABLE losses (reason TEXT PRIMARY KEY, events INTEGER);
INSERT INTO losses VALUES ('full', 0), ('old', 0), ('unwritable', 0);

PRAGMA application_id = 1970497381;
PRAGMA user_version = 1;
