// A garbage collector that is never done: GOGC=1 has it begin again when it ends. The work of every goroutine is checked: maps that others made, and
// that travel through channels; timers; finalizers; signals for preemption come all the time.
package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync/atomic"
	"time"
)

type node struct {
	number int
	text   string
	next   *node
}

var finalized atomic.Int64

func list(length int) *node {
	var head *node
	for number := 0; number < length; number++ {
		head = &node{number, strconv.Itoa(number), head}
	}
	runtime.SetFinalizer(head, func(*node) { finalized.Add(1) })
	return head
}

func check(head *node, length int) {
	for number := length - 1; number >= 0; number-- {
		if head.number != number || head.text != strconv.Itoa(number) {
			fmt.Println("wrong:", head.number, head.text)
			os.Exit(1)
		}
		head = head.next
	}
}

func main() {
	debug.SetGCPercent(1)
	kept := list(100_000)
	lists := make(chan *node, 2)
	done := make(chan int)
	for range [3]int{} {
		go func() {
			for {
				lists <- list(20_000)
			}
		}()
		go func() {
			for {
				check(<-lists, 20_000)
				done <- 1
			}
		}()
	}
	for round := 1; ; round++ {
		for range [10]int{} {
			<-done
		}
		started := time.Now()
		<-time.After(time.Millisecond)
		if time.Since(started) < time.Millisecond {
			fmt.Println("wrong: a timer was early")
			os.Exit(1)
		}
		check(kept, 100_000)
		fmt.Println("round", round)
	}
}
