#Requires -Version 5.1
# Has SQL Server run as its account of the domain.
[CmdletBinding()]
param([string]$InputPath, [object]$Document)
. "$PSScriptRoot\common.ps1"
$Document = Read-Document $InputPath $Document
$topology = Get-Field $Document 'topology'
$wanted = "$(Get-Field $topology 'domain')\$(Get-Field (Get-Field $topology 'windows') 'sql_account')"

if ((Get-CimInstance -ClassName Win32_Service -Filter "Name='MSSQLSERVER'").StartName -ne $wanted) {
    # SQL Server's own WMI class, which also moves the rights of the account before (the page on SetServiceAccount).
    $inside = 'root\Microsoft\SqlServer'
    $space = @(Get-CimInstance -Namespace $inside -ClassName __NAMESPACE | Where-Object { $_.Name -like 'ComputerManagement*' })[-1].Name
    $service = Get-CimInstance -Namespace "$inside\$space" -ClassName SqlService -Filter "ServiceName='MSSQLSERVER'"
    # It counts when the service starts: it stands still meanwhile, also for whoever comes after a run that ended in the middle.
    Stop-Service -Name MSSQLSERVER -Force
    $done = Invoke-CimMethod -InputObject $service -MethodName SetServiceAccount -Arguments @{
        ServiceStartName = $wanted; ServiceStartPassword = Get-Field (Get-Field $Document 'secrets') 'sql_service' }
    if ($done.ReturnValue -ne 0) { throw "SQL Server would not take the account ${wanted}: $($done.ReturnValue)" }
    Add-Change "SQL Server as $wanted"
}
Start-Stopped MSSQLSERVER
Step-Answer
