-- Version 1 of a store of events. Each statement can be run twice: two processes may make a file.

CREATE TABLE IF NOT EXISTS events (
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
CREATE INDEX IF NOT EXISTS events_in_order ON events (state);

-- What is in each state, so that nothing has to be counted. A row takes 150 bytes beside its
-- event and answer: labels, index, SQLite's own (measured on 100,000 rows).
CREATE TABLE IF NOT EXISTS totals (state TEXT PRIMARY KEY, events INTEGER, bytes INTEGER);
INSERT OR IGNORE INTO totals VALUES ('pending', 0, 0), ('sent', 0, 0), ('rejected', 0, 0);

CREATE TRIGGER IF NOT EXISTS added AFTER INSERT ON events BEGIN
    UPDATE totals
    SET events = events + 1,
        bytes = bytes + 150 + length(new.event) + coalesce(length(new.answer), 0)
    WHERE state = new.state;
END;
CREATE TRIGGER IF NOT EXISTS removed AFTER DELETE ON events BEGIN
    UPDATE totals
    SET events = events - 1,
        bytes = bytes - 150 - length(old.event) - coalesce(length(old.answer), 0)
    WHERE state = old.state;
END;
CREATE TRIGGER IF NOT EXISTS settled AFTER UPDATE ON events BEGIN
    UPDATE totals
    SET events = events - 1,
        bytes = bytes - 150 - length(old.event) - coalesce(length(old.answer), 0)
    WHERE state = old.state;
    UPDATE totals
    SET events = events + 1,
        bytes = bytes + 150 + length(new.event) + coalesce(length(new.answer), 0)
    WHERE state = new.state;
END;

CREATE TABLE IF NOT EXISTS losses (reason TEXT PRIMARY KEY, events INTEGER);
INSERT OR IGNORE INTO losses VALUES ('full', 0), ('old', 0), ('unwritable', 0);

PRAGMA application_id = 1970497381;
PRAGMA user_version = 1;
