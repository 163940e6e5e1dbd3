package config

// Parse reads and checks a configuration that is in no file, in the way of [Load]:
// text is what a file at path would hold, and relative paths are relative to that
// file's folder. add, unless nil, may set what no key can before the checks run.
func Parse(path, text string, add func(*Config)) (*Config, error) {
	return check(&file{name: path, memory: &text}, add, thisHost())
}
