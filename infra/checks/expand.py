"""Writes template.yaml to standard output as CloudFormation gets it: with everything that the SAM transform makes of it, as JSON."""

import json
import logging
import os
import sys

from samtranslator.public.translator import ManagedPolicyLoader
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse


class NoManagedPolicies(ManagedPolicyLoader):
    """Roles of this template are written out, so that no policy of AWS has to be known by its name."""

    def __init__(self):
        super().__init__(None)

    def load(self):
        return {}


logging.disable(logging.WARNING)  # of switches that AWS has and we have not
os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
with open(sys.argv[1], encoding="utf-8") as file:
    template = yaml_parse(file.read())
for resource in template["Resources"].values():
    if resource["Type"] == "AWS::Serverless::Function":
        # Where `sam deploy` would have put the program.
        resource["Properties"]["CodeUri"] = "s3://artifacts/program"
template["Globals"]["Function"].pop("CodeUri", None)
json.dump(transform(template, {}, NoManagedPolicies()), sys.stdout, indent=1)
