package app

import (
	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/files"
	"github.com/ripcord-dev/ripcord/adapter/script"
)

// adapters is the explicit list of what Ripcord can talk to.
func adapters(environ func() []string) map[string]ripcord.Adapter {
	list := []ripcord.Adapter{
		script.New(environ), files.New(files.Options{}),
	}
	byKind := make(map[string]ripcord.Adapter, len(list))
	for _, adapter := range list {
		byKind[adapter.Kind()] = adapter
	}
	return byKind
}
