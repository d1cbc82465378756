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
CREATE INDEX events_waiting ON events (seq) WHERE state = 'pending';

-- What is in each state, so that no command has to count.
CREATE TABLE totals (state TEXT PRIMARY KEY, events INTEGER, bytes INTEGER);
INSERT INTO totals VALUES ('pending', 0, 0), ('sent', 0, 0), ('rejected', 0, 0);

CREATE TABLE losses (reason TEXT PRIMARY KEY, events INTEGER);
INSERT INTO losses VALUES ('full', 0), ('old', 0), ('unwritable', 0);

PRAGMA application_id = 1970497381;
PRAGMA user_version = 1;
