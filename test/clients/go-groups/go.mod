module weir.test/go-groups

go 1.26.8
