import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run, tryRun } from '../images/run.ts';

/** The kind whose loader is asked. */
export const KIND = 'sigs.k8s.io/kind@v0.33.0';

/** What kind makes of a file: for each node its role and the ports that it opens on the machine. */
export interface KindCluster {
  readonly name: string;
  readonly nodes: readonly {
    readonly role: string;
    readonly ports: readonly { readonly host: number; readonly container: number; readonly address: string }[];
  }[];
}

/**
 * The loader is in one of kind's internal packages, which Go lets only its neighbours below pkg/ import: this becomes one
 * of them, in a copy of the module.
 */
const PROGRAM = `package main

import (
	"encoding/json"
	"fmt"
	"os"

	"sigs.k8s.io/kind/pkg/internal/apis/config/encoding"
)

type port struct {
	Host      int32  \`json:"host"\`
	Container int32  \`json:"container"\`
	Address   string \`json:"address"\`
}

type node struct {
	Role  string \`json:"role"\`
	Ports []port \`json:"ports"\`
}

func main() {
	cluster, err := encoding.Load(os.Args[1])
	if err == nil {
		err = cluster.Validate()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	nodes := []node{}
	for _, each := range cluster.Nodes {
		ports := []port{}
		for _, mapping := range each.ExtraPortMappings {
			ports = append(ports, port{mapping.HostPort, mapping.ContainerPort, mapping.ListenAddress})
		}
		nodes = append(nodes, node{string(each.Role), ports})
	}
	_ = json.NewEncoder(os.Stdout).Encode(map[string]interface{}{"name": cluster.Name, "nodes": nodes})
}
`;

/** kind's own loader, built from its source. */
export class KindLoader implements Disposable {
  readonly #directory: string;

  private constructor(directory: string) {
    this.#directory = directory;
  }

  /** @throws Error with what Go said, when it cannot be fetched or built */
  static build(): KindLoader {
    const module = JSON.parse(run('go', ['mod', 'download', '-json', KIND], { cwd: tmpdir() })) as {
      readonly Dir: string;
    };
    const directory = mkdtempSync(join(tmpdir(), 'weir-kind-'));
    try {
      const source = join(directory, 'kind');
      cpSync(module.Dir, source, { recursive: true });
      // Modules are kept without permission to write.
      run('chmod', ['-R', 'u+w', source]);
      const command = join(source, 'pkg', 'load-config');
      mkdirSync(command);
      writeFileSync(join(command, 'main.go'), PROGRAM);
      run('go', ['build', '-o', join(directory, 'load-config'), './pkg/load-config'], { cwd: source });
      return new KindLoader(directory);
    } catch (error) {
      rmSync(directory, { recursive: true });
      throw error;
    }
  }

  /** Reads a cluster's file as `kind create cluster --config` does. @throws Error with kind's message */
  load(path: string): KindCluster {
    const { status, stdout, stderr } = spawnSync(join(this.#directory, 'load-config'), [path], { encoding: 'utf8' });
    if (status !== 0) throw new Error(stderr.trim());
    return JSON.parse(stdout) as KindCluster;
  }

  [Symbol.dispose](): void {
    rmSync(this.#directory, { recursive: true });
  }
}

/** Whether there is a Go at all. */
export function hasGo(): boolean {
  return tryRun('go', ['version']).ok;
}
