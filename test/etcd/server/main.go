// etcd as it is released: `go install` refuses its module because of its replace directives, and importing it does not.
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() { etcdmain.Main(os.Args) }
