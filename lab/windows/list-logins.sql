-- Every Windows account and group that may connect, one a line.
SET NOCOUNT ON;
SELECT name FROM sys.server_principals WHERE type IN ('U', 'G') ORDER BY name;
