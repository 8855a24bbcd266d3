"""The words of SQL that the scanner tells from names. Constants only."""

from __future__ import annotations

# Words that are often the names of columns (date, name, key, type, value ...) are left out on purpose:
# the case of a name is kept, and a name must not end a list of columns.
KEYWORDS = frozenset(
    """
    ALL ALTER ANALYZE AND ANY ARRAY AS ASC BEGIN BETWEEN BY CASCADE CASE CAST COLLATE COMMIT CONFLICT CONSTRAINT
    CREATE CROSS CURRENT_DATE CURRENT_TIME CURRENT_TIMESTAMP DEFAULT DELETE DESC DISTINCT DO DROP DUPLICATE ELSE END
    ESCAPE EXCEPT EXISTS EXPLAIN FALSE FETCH FILTER FOR FORCE FOREIGN FROM FULL GLOB GROUP HAVING IF IGNORE ILIKE IN
    INNER INSERT INTERSECT INTERVAL INTO IS ISNULL JOIN LATERAL LEFT LIKE LIMIT LOCALTIME LOCALTIMESTAMP
    MATCHED MATERIALIZED MERGE MINUS NATURAL NOT NOTHING NOTNULL NULL NULLS OFFSET ON ONLY OR ORDER OUTER OVER
    PARTITION PRAGMA PRIMARY QUALIFY RECURSIVE REFERENCES REGEXP RELEASE REPLACE RETURNING RIGHT RLIKE ROLLBACK ROW
    ROWS SAVEPOINT SELECT SET SIMILAR SOME STRAIGHT_JOIN TABLE TABLESAMPLE THEN TOP TRIGGER TRUE TRUNCATE UNION UNIQUE
    UPDATE UPSERT USE USING VALUES VIEW WHEN WHERE WINDOW WITH WITHIN
    """.split()
)

# The few functions that everybody writes in either case.
FUNCTIONS = frozenset("count sum avg min max coalesce lower upper length now substr substring trim round".split())

AGGREGATES = frozenset(
    "count sum avg min max array_agg string_agg group_concat json_agg jsonb_agg bool_or bool_and every total "
    "stddev variance json_group_array listagg".split()
)

VOLATILE = frozenset(
    """
    nextval currval lastval setval random rand randomblob setseed uuid gen_random_uuid uuid_generate_v4
    uuid_generate_v1 newid newsequentialid sys_guid pg_sleep sleep benchmark now clock_timestamp statement_timestamp
    transaction_timestamp timeofday sysdate sysdatetime getdate getutcdate utc_timestamp utc_date utc_time curdate
    curtime current_timestamp current_date current_time localtime localtimestamp unix_timestamp last_insert_id
    last_insert_rowid changes total_changes found_rows row_count connection_id pg_backend_pid txid_current
    pg_current_xact_id pg_advisory_lock pg_advisory_xact_lock pg_try_advisory_lock pg_try_advisory_xact_lock
    pg_advisory_unlock get_lock release_lock set_config current_setting
    """.split()
)

VOLATILE_WORDS = frozenset("CURRENT_DATE CURRENT_TIME CURRENT_TIMESTAMP LOCALTIME LOCALTIMESTAMP".split())

# The first word of a statement and the kind that it gives; what is missing here is decided by `scope` or opaque.
FIRST_WORDS = {
    **dict.fromkeys(("SELECT", "VALUES", "TABLE", "FROM"), "select"),
    **dict.fromkeys(("INSERT", "REPLACE", "UPSERT"), "insert"),
    **dict.fromkeys(("UPDATE", "MERGE"), "update"),
    "DELETE": "delete",
    **dict.fromkeys(
        ("CREATE", "ALTER", "DROP", "TRUNCATE", "RENAME", "GRANT", "REVOKE", "COMMENT", "SECURITY", "REASSIGN"), "ddl"
    ),
    **dict.fromkeys(
        ("SAVEPOINT", "RELEASE", "ROLLBACK", "COMMIT", "START", "ABORT", "END", "SAVE", "XA"),
        "transaction",
    ),
}

# What the names of the databases' own tables begin with, which reflection reads; on some databases more do.
CATALOGS = ("pg_catalog.", "information_schema.", "performance_schema.")
MORE_CATALOGS = {
    **dict.fromkeys(("postgresql", "cockroachdb", "redshift"), ("pg_",)),
    **dict.fromkeys(("mysql", "mariadb"), ("mysql.",)),
}

# Each database that SQLite has attached has its own, by these names.
CATALOG_TABLES = frozenset(["sqlite_master", "sqlite_temp_master", "sqlite_schema", "sqlite_temp_schema"])

# What stands between CREATE and the kind of object that it makes.
MODIFIERS = frozenset(
    """
    ALTER BITMAP CLUSTERED CONSTRAINT EDITIONABLE EXTERNAL FORCE FOREIGN FULLTEXT GLOBAL IGNORE LOCAL MATERIALIZED
    NONCLUSTERED NONEDITIONABLE OR PRIVATE PROCEDURAL PUBLIC RECURSIVE REPLACE SPATIAL TEMP TEMPORARY TRANSIENT TRUSTED
    UNIQUE UNLOGGED VIRTUAL
    """.split()
)

# Statements of kind "other" that write no table.
HARMLESS = frozenset(
    """
    SET SHOW PRAGMA EXPLAIN VACUUM ANALYZE ANALYSE DESCRIBE DESC USE LOCK UNLOCK LISTEN UNLISTEN NOTIFY DISCARD RESET
    CHECKPOINT DECLARE FETCH CLOSE MOVE KILL FLUSH OPTIMIZE CHECK DEALLOCATE PREPARE ATTACH DETACH REINDEX HELP CLUSTER
    """.split()
)

ROLES = {
    **dict.fromkeys(("=", "==", "<=>", "IS"), "equal"),
    **dict.fromkeys(("<", "<=", ">", ">=", "BETWEEN"), "range"),
    **dict.fromkeys(
        ("LIKE", "ILIKE", "GLOB", "REGEXP", "RLIKE", "SIMILAR", "~", "~*", "!~", "!~*", "~~", "~~*", "!~~", "!~~*"),
        "like",
    ),
    "IN": "in",
    **dict.fromkeys(("!=", "<>", "@>", "<@", "&&", "@@"), "other"),
}
