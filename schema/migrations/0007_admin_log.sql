-- Who administered what by the control plane ($CONTROL and HTTP); statements in a shell leave
-- nothing here.
--
-- A migration: never changed after release. Times are Unix milliseconds (UTC) unless a column says
-- otherwise.

CREATE TABLE admin_log (
  -- grows with at, so the oldest rows have the lowest log_id
  log_id INTEGER PRIMARY KEY CONSTRAINT "log_id must be 1 or more" CHECK (log_id >= 1),
  at INTEGER NOT NULL,
  -- user name; '' where the socket's permissions are the login
  who TEXT NOT NULL,
  -- the face and the client id, or the network address: 'control ctrl-1', 'http 127.0.0.1'
  from_ TEXT NOT NULL,
  -- such as 'stopTask'
  command TEXT NOT NULL,
  -- what it was about: an id, or those of product and device with a slash between; '': none
  subject TEXT NOT NULL,
  -- 'ok', or the code of the error and its sentence
  outcome TEXT NOT NULL
) STRICT;
