package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"ovsmesh/cmd/internal/configfile"
)

// options is a command line of the KVM form.
type options struct {
	function          string
	values            map[string]string // by the options' names, without dashes
	help, version     bool
	strict            bool
	configurationFile string
}

// The options that are not the agent's. The agent's own --config is the document
// of the configure_… functions.
const (
	optionHelp       = "help"
	optionVersion    = "version"
	optionStrict     = "strict"
	optionConfigFile = "config-file"
)

// readOptions reads a command line as the plugin does, by the rules of Python's
// optparse: the function and the options in any order, --key K or --key=K, an
// option cut short as long as it is clear, the last one where one comes twice.
func readOptions(args []string) (options, error) {
	o := options{values: map[string]string{}}
	var words []string
	var errs []error
	for i := 0; i < len(args); i++ {
		arg := args[i]
		switch {
		case arg == "--":
			words = append(words, args[i+1:]...)
			i = len(args)
			continue
		case arg == "-h":
			o.help = true
			continue
		case !strings.HasPrefix(arg, "-") || arg == "-":
			words = append(words, arg)
			continue
		case !strings.HasPrefix(arg, "--"):
			errs = append(errs, fmt.Errorf("unknown option %s", arg))
			continue
		}
		name, value, given := strings.Cut(arg[2:], "=")
		name, err := wholeOption(name)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if flag := o.flag(name); flag != nil {
			if given {
				errs = append(errs, fmt.Errorf("--%s takes no value", name))
			}
			*flag = true
			continue
		}
		if !given {
			if i++; i == len(args) {
				errs = append(errs, fmt.Errorf("--%s needs a value", name))
				continue
			}
			value = args[i]
		}
		if name == optionConfigFile {
			o.configurationFile = value
			continue
		}
		o.values[name] = value
	}
	if len(words) > 0 {
		o.function = words[0]
	}
	if len(words) > 1 {
		errs = append(errs, fmt.Errorf("one function at a time: what is %q?", words[1]))
	}
	return o, errors.Join(errs...)
}

// flag returns what an option without a value sets; nil for all others.
func (o *options) flag(name string) *bool {
	switch name {
	case optionHelp:
		return &o.help
	case optionVersion:
		return &o.version
	case optionStrict:
		return &o.strict
	}
	return nil
}

// wholeOption returns the name of an option that may be cut short.
func wholeOption(name string) (string, error) {
	all := optionNames()
	if slices.Contains(all, name) {
		return name, nil
	}
	near := slices.DeleteFunc(slices.Clone(all), func(o string) bool { return !strings.HasPrefix(o, name) })
	switch {
	case len(near) == 1:
		return near[0], nil
	case len(near) > 1:
		return "", fmt.Errorf("--%s may be --%s", name, strings.Join(near, " or --"))
	}
	if n := configfile.Nearest(name, all); n != "" {
		return "", fmt.Errorf("unknown option --%s (did you mean --%s?)", name, n)
	}
	return "", fmt.Errorf("unknown option --%s", name)
}

func optionNames() []string {
	names := []string{optionHelp, optionVersion, optionStrict, optionConfigFile}
	for _, f := range functions() {
		for _, a := range f.args {
			if a.option != "" && !slices.Contains(names, a.option) {
				names = append(names, a.option)
			}
		}
	}
	slices.Sort(names)
	return names
}

// call returns the call that the options make, by XenServer's names for its
// arguments. Options that are another function's are left out, as the plugin
// does.
func (o options) call() (call, error) {
	f, ok := findFunction(o.function)
	if !ok || !f.onKVM() {
		return call{function: o.function}, unknownFunction(o.function)
	}
	c := call{function: f.name, args: map[string]string{}}
	var missing []string
	for _, a := range f.args {
		if a.option == "" {
			continue
		}
		value, given := o.values[a.option]
		switch {
		case given:
			c.args[a.name] = value
		case !a.optional:
			missing = append(missing, "--"+a.option)
		}
	}
	if _, given := c.args["key"]; f.name == setupDistributed && !given {
		c.args["key"] = c.args["bridge"] // the network's name, which on KVM is the bridge's, too
	}
	if len(missing) > 0 {
		return c, fmt.Errorf("it needs %s", strings.Join(missing, " and "))
	}
	return c, nil
}
