package component

import (
	"os/exec"
	"syscall"
)

// DieWithParent makes the kernel kill a child when the parent dies, however it dies, and puts it into a process group of its own: a ctrl-C in
// the terminal does not reach it before the parent has ended what depends on it.
func DieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
