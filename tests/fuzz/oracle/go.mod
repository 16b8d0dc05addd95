module portolan/oracle

go 1.26
