//go:build !linux

package component

import (
	"os/exec"
	"syscall"
)

// DieWithParent puts a child into a process group of its own. Where the kernel kills no child with its parent, Close ends it.
func DieWithParent(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
