module gostall/testbed

go 1.21
