package component

import (
	"os/exec"
	"syscall"
)

// dieWithParent makes the kernel kill the child when the parent dies, however it dies, and keeps a ctrl-C in the terminal from
// reaching the child before the parent has ended what depends on it.
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
