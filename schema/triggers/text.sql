-- The rules of texts that are compared byte by byte or sent to devices, and of JSON, for all
-- tables.

-- Refuses a text that is compared byte by byte, or sent to devices, with the reason. Triggers
-- insert the texts of their rows here, since SQLite has no procedures; a text that passes is not
-- kept.
CREATE TRIGGER check_text_insert BEFORE INSERT ON check_text
BEGIN
  -- SQLite decodes invalid bytes as some character, whose encoding is other bytes: compares the two
  -- for each character. Text of ASCII alone is left out, since a recursion costs as much as all
  -- else, even without a row.
  SELECT CASE NEW.what
    WHEN 'product_id' THEN RAISE(ABORT, 'product_id is not UTF-8: set your terminal, or the encoding of the file that it comes from, to UTF-8')
    WHEN 'device_id' THEN RAISE(ABORT, 'device_id is not UTF-8: set your terminal, or the encoding of the file that it comes from, to UTF-8')
    WHEN 'version' THEN RAISE(ABORT, 'version is not UTF-8: set your terminal, or the encoding of the file that it comes from, to UTF-8')
    WHEN 'file' THEN RAISE(ABORT, 'file is not UTF-8: set your terminal to UTF-8, and rename the file if its name is not')
    WHEN 'url' THEN RAISE(ABORT, 'url is not UTF-8: set your terminal, or the encoding of the file that it comes from, to UTF-8')
    WHEN 'parameters' THEN RAISE(ABORT, 'parameters is not UTF-8: set your terminal, or the encoding of the file that it comes from, to UTF-8')
  END
  WHERE NEW.text GLOB '*[^' || char(1) || '-' || char(127) || ']*' AND EXISTS (
    WITH RECURSIVE rest(text) AS (
      VALUES (NEW.text)
      UNION ALL
      SELECT substr(text, 2) FROM rest WHERE text <> '')
    SELECT 1 FROM rest
    WHERE text <> ''
      AND CAST(substr(text, 1, 1) AS BLOB) <> CAST(char(unicode(text)) AS BLOB));
  -- U+00A0 and all other blanks but the plain one, what has no width (zero-width blanks and
  -- joiners, the byte-order mark, fillers, variation selectors), and what turns the direction of
  -- writing.
  SELECT CASE NEW.what
    WHEN 'product_id' THEN RAISE(ABORT, 'product_id has a character that nobody sees, such as U+00A0, U+200B or U+FEFF: type it instead of pasting it')
    WHEN 'device_id' THEN RAISE(ABORT, 'device_id has a character that nobody sees, such as U+00A0, U+200B or U+FEFF: type it instead of pasting it')
    WHEN 'version' THEN RAISE(ABORT, 'version has a character that nobody sees, such as U+00A0, U+200B or U+FEFF: type it instead of pasting it')
    WHEN 'file' THEN RAISE(ABORT, 'file has a character that nobody sees, such as U+00A0, U+200B or U+FEFF: rename the file, and type its name instead of pasting it')
    WHEN 'url' THEN RAISE(ABORT, 'url has a character that nobody sees, such as U+00A0, U+200B or U+FEFF: type it instead of pasting it')
  END
  WHERE NEW.text GLOB '*['
    || char(160, 173, 847, 1564, 4447, 4448, 5760, 6068, 6069, 10240, 12288, 12644, 65279, 65440)
    || char(6155) || '-' || char(6159) || char(8192) || '-' || char(8207)
    || char(8232) || '-' || char(8239) || char(8287) || '-' || char(8303)
    || char(65024) || '-' || char(65039) || char(65529) || '-' || char(65531)
    || char(113824) || '-' || char(113827) || char(119155) || '-' || char(119162)
    || char(917504) || '-' || char(921599) || ']*';
  -- All but parameters: blanks around JSON are no part of its value.
  SELECT CASE NEW.what
    WHEN 'product_id' THEN RAISE(ABORT, 'product_id must not begin or end with a blank: leave it out')
    WHEN 'device_id' THEN RAISE(ABORT, 'device_id must not begin or end with a blank: leave it out')
    WHEN 'version' THEN RAISE(ABORT, 'version must not begin or end with a blank: leave it out, no device reports it')
    WHEN 'file' THEN RAISE(ABORT, 'file must not begin or end with a blank: leave it out, and rename the file if it has one')
  END
  WHERE NEW.text GLOB ' *' OR NEW.text GLOB '* ';
  SELECT CASE NEW.what
    WHEN 'product_id' THEN RAISE(ABORT, 'product_id must be 1 to 64 bytes, without / + # and without control characters')
    WHEN 'device_id' THEN RAISE(ABORT, 'device_id must be 1 to 64 bytes, without / + # and without control characters')
    WHEN 'version' THEN RAISE(ABORT, 'version must be without control characters, such as tabs and line ends')
    WHEN 'file' THEN RAISE(ABORT, 'file must be a plain name in files_dir: 1 to 255 bytes, no /, no leading dot, no control characters')
    WHEN 'url' THEN RAISE(ABORT, 'url must be 1 to 2048 bytes, without spaces and control characters')
  END
  WHERE NEW.text GLOB '*[' || char(1) || '-' || char(31) || char(127) || '-' || char(159) || ']*';
  SELECT RAISE(IGNORE);
END;

-- Apart from the others, because SQLite 3.40 takes no statement with json_valid while
-- trusted_schema is off.
CREATE TRIGGER check_parameters_insert BEFORE INSERT ON check_parameters
BEGIN
  INSERT INTO check_text (what, text) VALUES ('parameters', NEW.text);
  SELECT RAISE(ABORT, 'parameters must be a JSON object of at most 32768 bytes, such as {"reboot":true}')
  WHERE NOT CASE
    WHEN json_valid(NEW.text) THEN json_type(NEW.text) = 'object'
    ELSE NEW.text IS NULL
  END;
  SELECT RAISE(ABORT, 'parameters has a number that is too large for JSON (1.8e308 and above): write it as a string')
  WHERE EXISTS (
    SELECT 1 FROM json_tree(NEW.text)
    WHERE type IN ('integer', 'real')
      AND (value > 1.7976931348623157e308 OR value < -1.7976931348623157e308));
  -- RFC 8259, section 8.2; an escaped backslash begins no other escape
  SELECT RAISE(ABORT, 'parameters must be without \u0000 and without half of a surrogate pair (\ud800 to \udfff): no JSON parser agrees with another on what these are')
  WHERE EXISTS (
    WITH RECURSIVE piece(rest) AS (
      SELECT replace(NEW.text, '\\', '--') WHERE instr(NEW.text, '\u') > 0
      UNION ALL
      SELECT substr(rest, instr(rest, '\u')
        + iif(substr(rest, instr(rest, '\u')) GLOB '\u[dD][89aAbB]*', 12, 6))
      FROM piece WHERE instr(rest, '\u') > 0)
    SELECT 1 FROM piece
    WHERE substr(rest, instr(rest, '\u')) GLOB '\u0000*'
      OR (substr(rest, instr(rest, '\u')) GLOB '\u[dD][89a-fA-F]*'
        AND substr(rest, instr(rest, '\u')) NOT GLOB '\u[dD][89aAbB]??\u[dD][c-fC-F]*'));
  SELECT RAISE(IGNORE);
END;
