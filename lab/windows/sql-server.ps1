#Requires -Version 5.1
# Installs SQL Server's default instance, which answers on TCP 1433.
[CmdletBinding()]
param([string]$InputPath, [object]$Document)
. "$PSScriptRoot\common.ps1"
$Document = Read-Document $InputPath $Document
$topology = Get-Field $Document 'topology'
$setup = 'C:\doublehop\sql\setup.exe'
$instances = 'HKLM:\SOFTWARE\Microsoft\Microsoft SQL Server\Instance Names\SQL'

# Setup names its instance long before it is done; that is said by the state of each part: 1 is configured, 2 has failed.
$id = Get-RegistryValue $instances 'MSSQLSERVER'
$states = "HKLM:\SOFTWARE\Microsoft\Microsoft SQL Server\$id\ConfigurationState"
if (-not $id -or (Get-RegistryValue $states 'SQL_Engine_Core_Inst') -ne 1) {
    Assert-Signature $setup
    # It runs as its own virtual account at first: setup takes a password as an argument or in this file, and nowhere else.
    $lines = @(
        '[OPTIONS]', 'ACTION="Install"', 'QUIET="True"', 'IACCEPTSQLSERVERLICENSETERMS="True"', 'UPDATEENABLED="False"',
        'FEATURES=SQLENGINE', 'INSTANCENAME="MSSQLSERVER"', 'SQLSVCSTARTUPTYPE="Automatic"', 'TCPENABLED="1"', 'NPENABLED="0"',
        'SUPPRESSPRIVACYSTATEMENTNOTICE="True"',
        "SQLSYSADMINACCOUNTS=`"BUILTIN\Administrators`" `"$(Get-Field $topology 'domain')\Domain Admins`"")
    Set-TextFile 'C:\doublehop\ConfigurationFile.ini' (($lines -join "`r`n") + "`r`n") 'ASCII'
    $restart = Install-AsSystem $setup @('/ConfigurationFile=C:\doublehop\ConfigurationFile.ini') -Minutes 45
    Add-Change 'SQL Server'
    if ($restart) { return Step-Answer -Needs 'restart' }
}

# What a run that was cut short at the end of setup has left.
Remove-Task $InstallTask

# One port for every address, whatever the edition's setup chose.
$id = Get-RegistryValue $instances 'MSSQLSERVER'
$all = "HKLM:\SOFTWARE\Microsoft\Microsoft SQL Server\$id\MSSQLServer\SuperSocketNetLib\Tcp\IPAll"
Set-ServiceValue MSSQLSERVER @(@($all, 'TcpDynamicPorts', 'String', ''), @($all, 'TcpPort', 'String', '1433'))
Step-Answer
