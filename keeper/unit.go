package keeper

import (
	"fmt"
	"strings"
)

// Unit returns a systemd unit that starts the keeper with the command argv at
// boot, as the user; description names the state directory. Its command must not
// end for want of work. KillMode=process makes that stopping the unit stops the
// keeper and none of the instances.
func Unit(description, user string, argv []string) string {
	quoted := make([]string, len(argv))
	for i, arg := range argv {
		quoted[i] = unitWord(arg)
	}
	who := ""
	if user != "" {
		who = "User=" + user + "\n"
	}
	return fmt.Sprintf(`[Unit]
Description=%s
After=network-online.target
Wants=network-online.target
StartLimitIntervalSec=0

[Service]
Type=simple
%sExecStart=%s
WorkingDirectory=/
KillMode=process
Restart=always
RestartSec=5

[Install]
WantedBy=multi-user.target
`, strings.ReplaceAll(oneLine(description), "%", "%%"), who, strings.Join(quoted, " "))
}

// CronLine returns the crontab line that starts the keeper with the command argv
// at boot, for machines without systemd.
func CronLine(argv []string) string {
	quoted := make([]string, len(argv))
	for i, arg := range argv {
		quoted[i] = strings.ReplaceAll(shellWord(arg), "%", `\%`) // to cron, % is a line's end
	}
	return "@reboot " + strings.Join(quoted, " ") + "\n"
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// unitWord quotes a word for ExecStart.
func unitWord(word string) string {
	word = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "%", "%%", "$", "$$", "\n", `\n`).Replace(word)
	if word == "" || strings.ContainsAny(word, " \t'\\\";") {
		return `"` + word + `"`
	}
	return word
}

func shellWord(word string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-+=:,@%", r)
	}
	if word != "" && strings.TrimFunc(word, plain) == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
