// Command s3 serves a folder as an S3-compatible store that checks signatures: the gateway of Versity, with what
// the tests need of it. It is a module of its own, as its 270 packages would influence the
// versions of what is released.
//
//	s3 ADDRESS FOLDER BUCKET
//
// The access key is "access", the secret key "secret", and the region eu-central-1. It writes "ready" when it
// serves.
package main

import (
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/versity/versitygw/auth"
	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/s3api"
	"github.com/versity/versitygw/s3api/middlewares"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 4 {
		log.Fatal("usage: s3 ADDRESS FOLDER BUCKET")
	}
	if err := serve(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		log.Fatal(err)
	}
}

// serve serves the bucket in folder, which is made if there is none.
func serve(address, folder, bucket string) error {
	objects, properties := filepath.Join(folder, "objects"), filepath.Join(folder, "properties")
	users := filepath.Join(folder, "users")
	for _, dir := range []string{filepath.Join(objects, bucket), properties, users} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	sidecar, err := meta.NewSideCar(properties)
	if err != nil {
		return err
	}
	backend, err := posix.New(objects, sidecar, posix.PosixOpts{SideCarDir: properties, Concurrency: 100})
	if err != nil {
		return err
	}
	root := auth.Account{Access: "access", Secret: "secret", Role: auth.RoleAdmin}
	accounts, err := auth.NewInternal(root, users)
	if err != nil {
		return err
	}
	server, err := s3api.New(backend, middlewares.RootUserConfig{Access: root.Access, Secret: root.Secret},
		"eu-central-1", accounts, nil, nil, nil, nil,
		s3api.WithQuiet(), s3api.WithKeepAlive(), s3api.WithConcurrencyLimiter(1000, 1000),
		s3api.WithOnListen(func() { fmt.Println("ready") }))
	if err != nil {
		return err
	}
	return server.ServeMultiPort([]string{address})
}
