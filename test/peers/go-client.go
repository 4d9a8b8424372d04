// go-criu, as container runtimes use it: dumps and restores a process through swrk, with notifications.
// Arguments: pid, directory of the images. "criu" on PATH is what it starts.
package main

import (
	"fmt"
	"os"
	"strconv"
	"time"

	criu "github.com/checkpoint-restore/go-criu/v5"
	"github.com/checkpoint-restore/go-criu/v5/rpc"
	"google.golang.org/protobuf/proto"
)

type told struct{ criu.NoNotify }

func (told) PreDump() error              { fmt.Println("pre-dump"); return nil }
func (told) PostDump() error             { fmt.Println("post-dump"); return nil }
func (told) PreRestore() error           { fmt.Println("pre-restore"); return nil }
func (told) PostRestore(pid int32) error { fmt.Println("post-restore", pid); return nil }
func (told) PostResume() error           { fmt.Println("post-resume"); return nil }

func must(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func main() {
	pid, err := strconv.Atoi(os.Args[1])
	must(err)
	images, err := os.Open(os.Args[2])
	must(err)
	client := criu.MakeCriu()
	version, err := client.GetCriuVersion()
	must(err)
	fmt.Println("version", version)
	opts := &rpc.CriuOpts{ImagesDirFd: proto.Int32(int32(images.Fd())), Pid: proto.Int32(int32(pid))}
	must(client.Dump(opts, told{}))
	for {
		if _, err := os.Stat("/proc/" + os.Args[1]); err != nil {
			break
		}
		time.Sleep(time.Millisecond)
	}
	opts = &rpc.CriuOpts{ImagesDirFd: proto.Int32(int32(images.Fd()))}
	must(client.Restore(opts, told{}))
}
