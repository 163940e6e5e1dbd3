package dev

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/fsnotify/fsnotify"
)

// watcher follows the files of a project, also in folders that come later. Symbolic
// links are not followed: they could lead in circles.
type watcher struct {
	root   string
	notify *fsnotify.Watcher
	failed func(error) // told when a part of the project cannot be followed
}

// openWatcher begins to follow the project in root.
func openWatcher(root string, failed func(error)) (*watcher, error) {
	notify, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("watch the files: %w", err)
	}
	w := &watcher{root: root, notify: notify, failed: failed}
	if err := notify.Add(root); err != nil {
		notify.Close()
		return nil, fmt.Errorf("watch %s: %w", root, err)
	}
	w.add(root, nil)
	return w, nil
}

func (w *watcher) close() { w.notify.Close() }

// run sends the path, relative to the project, of each change that matters.
func (w *watcher) run(ctx context.Context, changed chan<- string) {
	send := func(path string) {
		if rel, err := filepath.Rel(w.root, path); err == nil {
			path = rel
		}
		select {
		case changed <- path:
		case <-ctx.Done():
		}
	}
	for {
		select {
		case <-ctx.Done():
			return
		case event, ok := <-w.notify.Events:
			if !ok {
				return
			}
			w.take(event, send)
		case err, ok := <-w.notify.Errors:
			if !ok {
				return
			}
			w.lost(err, send)
		}
	}
}

// take looks at one event. A change of mode or times alone changes no code.
func (w *watcher) take(event fsnotify.Event, send func(string)) {
	if !event.Has(fsnotify.Create | fsnotify.Write | fsnotify.Remove | fsnotify.Rename) {
		return
	}
	if event.Has(fsnotify.Create) {
		if info, err := os.Lstat(event.Name); err == nil && info.IsDir() {
			w.add(event.Name, send)
			return
		}
	}
	if watchedFile(event.Name) {
		send(event.Name)
	}
}

// lost takes it that something has changed when the kernel dropped events.
func (w *watcher) lost(err error, send func(string)) {
	if errors.Is(err, fsnotify.ErrEventOverflow) {
		send(w.root)
		return
	}
	w.failed(err)
}

// add follows a folder and all below it. found, unless nil, is told of the files:
// they may have been written before the folder was followed.
func (w *watcher) add(dir string, found func(string)) {
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return nil // it is gone again, or not ours to read
		case !d.IsDir():
			if found != nil && watchedFile(path) {
				found(path)
			}
			return nil
		case path != w.root && !watchedFolder(path):
			return fs.SkipDir
		}
		if err := w.notify.Add(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("watch %s: %w", path, err)
		}
		return nil
	})
	if err != nil { // most likely fs.inotify.max_user_watches
		w.failed(err)
	}
}
