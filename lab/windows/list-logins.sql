-- Every Windows account and group that may connect, one a line: not those whose account has gone, or was made anew.
SET NOCOUNT ON;
SELECT name FROM sys.server_principals WHERE type IN ('U', 'G') AND sid = SUSER_SID(name) ORDER BY name;
